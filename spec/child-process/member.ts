import cluster from 'node:cluster';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connectToParent } from 'telltale/plugins/child-process';

/** A worker of a cluster that answers over HTTP, and says on the bus which one it is. */
const bus = await connectToParent();
const server = createServer((_, response) => {
  const { id } = cluster.worker!;
  void bus.publish('request.answered', id).then(() => response.setHeader('connection', 'close').end(String(id)));
});
server.listen(0, '127.0.0.1', () => bus.emit('server.listening', (server.address() as AddressInfo).port));
