// harness.js: what the tests import: processes, clients, waiting.
export * from './lib/wait.js';
export * from './lib/ports.js';
export * from './lib/process.js';
export * from './lib/transport.js';
export * from './lib/redis.js';
export * from './lib/rest.js';
export * from './lib/websocket.js';
export * from './lib/frames.js';
export * from './lib/diff.js';
export * from './lib/stream.js';
export * from './lib/daemon.js';
export * from './lib/token.js';
export * from './lib/metrics.js';
export * from './lib/pace.js';
export * from './lib/tls.js';
