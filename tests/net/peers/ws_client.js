// A WebSocket client that is not ours (ws of npm, Debian's node-ws): sends its arguments behind the
// first two as texts, prints what comes back, a line each (of a long one its size), then the close code.
// usage: ws_client.js URL CA-FILE TEXT...
const fs = require('fs');
const WebSocket = require('/usr/share/nodejs/ws');

const [url, caFile, ...texts] = process.argv.slice(2);
const socket = new WebSocket(url, url.startsWith('wss') ? {ca: fs.readFileSync(caFile)} : {});
let at = 0;
socket.on('open', () => socket.send(texts[at]));
socket.on('message', (data) => {
  const text = data.toString();
  console.log(text.length < 100 ? text : `${text.length} long`);
  if (++at < texts.length) return socket.send(texts[at]);
  socket.on('pong', () => socket.close(4321, 'enough'));
  socket.ping();
});
socket.on('close', (code) => console.log(code));
socket.on('error', (error) => console.log(`error: ${error.message}`));
