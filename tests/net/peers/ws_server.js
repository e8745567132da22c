// A WebSocket server that is not ours (ws of npm, Debian's node-ws), for one test: prints its port,
// serves until its input ends. Gives back each message as it came; "close" closes with 4002, "ping"
// pings and tells whether the pong came.
// usage: ws_server.js [CERTIFICATE KEY]   (none: plain)
const fs = require('fs');
const {WebSocketServer} = require('/usr/share/nodejs/ws');

const [certificate, key] = process.argv.slice(2);
const server = certificate
  ? require('https').createServer({cert: fs.readFileSync(certificate), key: fs.readFileSync(key)})
  : require('http').createServer();
new WebSocketServer({server, perMessageDeflate: {threshold: 0}}).on('connection', (socket) => {
  socket.on('message', (data, isBinary) => {
    const text = isBinary ? '' : data.toString();
    if (text === 'close') return socket.close(4002, 'enough');
    if (text === 'ping') {
      socket.once('pong', (payload) => socket.send(`ponged ${payload}`));
      return socket.ping('from ws');
    }
    socket.send(data, {binary: isBinary});
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit(0));
