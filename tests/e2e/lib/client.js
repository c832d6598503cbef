// client.js: the JavaScript client, for the tests: all that are made are closed, and what they tell is noted.
import { after, afterEach, before } from 'node:test';
import WebSocket from 'ws';
import { startPair } from './daemon.js';
import { documentPath } from './rest.js';
import { DEADLINE_MS, within } from './wait.js';
import { Realtime } from '../../../workers/web/client/realtime.js';

export class Clients {
	#all = new Set();

	// Fast to come back; `sockets` and `states` are what a test looks at.
	make(url, options = {}) {
		const sockets = [];
		class Socket extends WebSocket {
			constructor(address, protocols) {
				super(address, protocols);
				sockets.push(this);
			}
		}
		const realtime = new Realtime(url, { WebSocket: Socket, reconnectMinMs: 20, reconnectMaxMs: 200, ...options });
		Object.assign(realtime, { sockets, states: [], resyncs: [], errors: [] });
		realtime.on('state', state => realtime.states.push(state));
		realtime.on('resync', resync => realtime.resyncs.push(resync));
		realtime.on('error', error => realtime.errors.push(error));
		this.#all.add(realtime);
		return realtime;
	}

	// The network fails.
	static drop(realtime) {
		realtime.sockets.at(-1).terminate();
	}

	// The next loss: it may be over before anybody looks at the state.
	static lost(realtime) {
		return within(new Promise(resolve => realtime.once('reconnecting', resolve)), DEADLINE_MS, 'the connection is lost');
	}

	closeAll() {
		for (const realtime of this.#all) realtime.close();
		this.#all.clear();
	}
}

// The names of the states it went through.
export const statesOf = realtime => realtime.states.map(({ state }) => state);

// For a file of tests: a pair, there from its `before` on, and clients of it, which are closed after each test.
export function useClients(settings) {
	let ids = 0;
	const site = {
		clients: new Clients(),
		make: options => site.clients.make(site.daemon.url, options),
		freshId: () => `doc_${++ids}`,
		read: async (service, id) => (await site.rest.get(documentPath(service, id))).json,
	};
	before(async () => Object.assign(site, await startPair({ settings })));
	afterEach(() => site.clients.closeAll());
	after(() => site.stop?.());
	return site;
}
