// mock_server.js: a WebSocket server whose answers a test decides: for what the real one does rarely, or not on demand.
import { WebSocketServer } from 'ws';
import { until } from './wait.js';

class Peer {
	constructor(server, socket, request) {
		Object.assign(this, { server, socket, request });
		this.messages = [];
		this.isSilent = false;
		socket.on('message', data => this.#take(JSON.parse(String(data))));
		socket.on('error', () => {});
		this.closed = new Promise(resolve => socket.on('close', (code, reason) => resolve((this.end = { code, reason: String(reason) }))));
	}

	#take(message) {
		this.messages.push(message);
		if (this.isSilent) return;
		const answer = this.server.answer(message, this);
		if (answer) this.send(message.id === undefined ? answer : { id: message.id, ...answer });
	}

	send(message) {
		this.socket.send(JSON.stringify(message));
	}

	of(type) {
		return this.messages.filter(message => message.type === type);
	}

	// The first message of that type that fits, as soon as it is there.
	next(type, fits = () => true) {
		return until(() => this.of(type).find(fits), undefined, () => `${type} ${fits}; came: ${JSON.stringify(this.messages)}`);
	}

	close(code, reason) {
		this.socket.close(code, reason);
	}

	drop() {
		this.socket.terminate();
	}
}

export class MockServer {
	// answer(message, peer): an answer, or undefined: none.
	constructor({ answer, welcome = {} } = {}) {
		this.peers = [];
		this.answer = (message, peer) => answer?.(message, peer) ?? this.usual(message);
		this.welcome = { type: 'welcome', server: 'mock', pingInterval: 25000, maxMessage: 65536, ...welcome };
	}

	static async start(options) {
		const mock = new MockServer(options);
		mock.server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
		mock.server.on('connection', (socket, request) => {
			const peer = new Peer(mock, socket, request);
			mock.peers.push(peer);
			if (mock.welcome) peer.send({ ...mock.welcome, connectionId: `c${mock.peers.length}` });
		});
		await new Promise(resolve => mock.server.once('listening', resolve));
		return mock;
	}

	get url() {
		return `http://127.0.0.1:${this.server.address().port}`;
	}

	// A null answer of the test: nothing at all.
	usual({ type, topic, documentId, documentPrefix, returnMode, after }) {
		if (type === 'ping') return { type: 'pong' };
		if (type === 'auth') return { type: 'result' };
		if (type === 'subscribe') return { type: 'subscribed', topic, documentId, documentPrefix, returnMode, outcome: 'live', position: after ?? '00000000-1' };
		if (type === 'unsubscribe') return { type: 'unsubscribed', topic, documentId, documentPrefix };
		return undefined;
	}

	peer(number = 1) {
		return until(() => this.peers[number - 1], undefined, `connection ${number}`);
	}

	async stop() {
		for (const peer of this.peers) peer.drop();
		await new Promise(resolve => this.server.close(resolve));
	}
}

// An event as the server sends it.
export function eventOf({ service = 's', id = 'x', event = 'updated', revision, position = '00000000-2', timestamp = 1000 + revision, ...more }) {
	return { type: 'event', topic: `sync.${service}.${event}`, source: 'sync', timestamp, position, payload: { service, documentId: id, revision, ...more } };
}

// All that a test makes, to be stopped together.
export class Mocks {
	#all = [];

	async start(options) {
		const mock = await MockServer.start(options);
		this.#all.push(mock);
		return mock;
	}

	async stopAll() {
		for (const mock of this.#all.splice(0)) await mock.stop();
	}
}

export const envelopeOf = (revision, data = { n: revision }) => ({ revision, updatedAt: 1000 + revision, createdAt: 1001, service: 's', id: 'x', data });
