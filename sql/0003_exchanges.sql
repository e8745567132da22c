-- Facts of the venues that a user may correct later (`fee_tier` says for whom the fees hold).
INSERT INTO exchanges (id, code, name, kind, maker_fee, taker_fee, fee_tier, funding_interval_h_default, rest_url, ws_url) VALUES
  (1, 'bin', 'Binance', 'cex', 0.000200, 0.000500, 'base', 8, 'https://fapi.binance.com', 'wss://fstream.binance.com'),
  (2, 'byb', 'Bybit', 'cex', 0.000200, 0.000550, 'base', 8, 'https://api.bybit.com', 'wss://stream.bybit.com'),
  (3, 'okx', 'OKX', 'cex', 0.000200, 0.000500, 'base', 8, 'https://www.okx.com', 'wss://ws.okx.com:8443'),
  (4, 'hyp', 'Hyperliquid', 'dex', 0.000150, 0.000450, 'base', 1, 'https://api.hyperliquid.xyz', 'wss://api.hyperliquid.xyz');
