// The `ws` library of Node.js at its best: frames prepared once, what one turn of the loop brought
// joined, one corked write for every subscriber.   node ws_server.js PORT
'use strict';
const http = require('node:http');
const { Sender, WebSocketServer } = require('ws');

const channels = new Map(); // name -> { clients: Set, pending: [Buffer] }
const ready = new Set();    // channels with something pending

function channelOf(name) {
  let channel = channels.get(name);
  if (!channel) channels.set(name, (channel = { clients: new Set(), pending: [] }));
  return channel;
}

function prepared(message) {
  const parts = Sender.frame(message, { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: true });
  return Buffer.concat(parts);
}

function flush() {
  for (const channel of ready) {
    const data = channel.pending.length === 1 ? channel.pending[0] : Buffer.concat(channel.pending);
    channel.pending = [];
    for (const client of channel.clients) {
      const socket = client._socket;
      if (!socket) continue;
      socket.cork();
      socket.write(data);
      socket.uncork();
    }
  }
  ready.clear();
}

function publish(name, message) {
  const channel = channelOf(name);
  channel.pending.push(prepared(message));
  if (ready.size === 0) setImmediate(flush);
  ready.add(channel);
}

const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    publish(request.url.slice('/publish?channel='.length), parts.length === 1 ? parts[0] : Buffer.concat(parts));
    response.writeHead(202, { 'Content-Length': '0' });
    response.end();
  });
});
server.keepAliveTimeout = 0;

const sockets = new WebSocketServer({ server, path: '/ws', perMessageDeflate: false, clientTracking: false });
sockets.on('connection', (client) => {
  const mine = new Set();
  client.on('message', (data) => {
    const channel = channelOf(JSON.parse(data).channel);
    channel.clients.add(client);
    mine.add(channel);
  });
  client.on('close', () => mine.forEach((channel) => channel.clients.delete(client)));
});

server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
