// realtime.js: the client of syncdoc, for browsers and Node. README.md shows how to use it.
import { Connection } from './realtime/connection.js';
import { LiveDocument } from './realtime/document.js';
import { Emitter } from './realtime/emitter.js';
import { RealtimeError, closedError, errorOf } from './realtime/errors.js';
import { Feeds } from './realtime/feeds.js';
import { Presence } from './realtime/presence.js';
import { RestClient } from './realtime/rest.js';
import { Sync } from './realtime/sync.js';
import { DELAY_MAX_MS } from './realtime/time.js';
import { Tokens } from './realtime/token.js';

export { applyDiff, joinPath, splitPath } from './realtime/diff.js';
export { AuthError, ConflictError, GoneError, NotFoundError, OfflineError, OutcomeUnknownError, RealtimeError, TimeoutError } from './realtime/errors.js';

const DEFAULTS = {
	offline: 'reject', // or 'queue': what becomes of writes without a connection
	timeoutMs: 15000, // of a request; 0: no limit
	tokenTimeoutMs: 60000, // of getToken()
	connectTimeoutMs: 10000,
	heartbeatMs: undefined, // of silence, then the server is asked; by itself as often as the server pings
	pongTimeoutMs: 10000, // to answer that
	reconnectMinMs: 250, // the first delay is a random one up to this
	reconnectMaxMs: 30000,
	queueMax: 1000, // messages, and writes, that may wait
	messagesPerSecond: 180, // a little less than the server's ws.rate
	messagesBurst: 300,
	trackedMax: 10000, // documents whose last revision is remembered, to leave out what comes twice
	autoConnect: true,
};

const NUMBERS = Object.keys(DEFAULTS).filter(name => !['offline', 'autoConnect'].includes(name));

const PATH = '/v1/realtime';

// 'https://host/prefix', 'wss://host/prefix/v1/realtime', '/prefix' in a browser, or nothing there → {base, socket}
function addressesOf(url) {
	const { location } = globalThis;
	if (url === undefined && !location) throw new TypeError("the server's address is needed here, as in new Realtime('http://127.0.0.1:8080')");
	const parsed = new URL(url ?? '/', location?.href);
	const path = parsed.pathname.replace(/\/+$/, '').replace(new RegExp(`${PATH}$`), ''), secure = parsed.protocol === 'https:' || parsed.protocol === 'wss:';
	if (!secure && parsed.protocol !== 'http:' && parsed.protocol !== 'ws:') throw new TypeError(`the address must begin with http, https, ws or wss, not ${parsed.protocol}`);
	return { base: `http${secure ? 's' : ''}://${parsed.host}${path}`, socket: `ws${secure ? 's' : ''}://${parsed.host}${path}${PATH}` };
}

// Times are cut to what a timer can take, which is 24 days.
function numberOf(name, value) {
	const isTime = name.endsWith('Ms'), mayBeNone = isTime || name === 'trackedMax';
	if (typeof value !== 'number' || !(mayBeNone ? value >= 0 : value > 0)) throw new TypeError(`${name} must be a number ${isTime ? 'of milliseconds' : mayBeNone ? 'from 0 on' : 'above 0'}, not ${JSON.stringify(value)}`);
	return isTime ? Math.min(value, DELAY_MAX_MS) : value;
}

function optionsOf(given) {
	const options = { ...DEFAULTS, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null)) };
	options.WebSocket ??= globalThis.WebSocket;
	options.fetch ??= (...values) => globalThis.fetch(...values);
	if (!options.WebSocket) throw new TypeError('there is no WebSocket here: give one, as in new Realtime(url, { WebSocket }) with that of the package ws');
	if (options.offline !== 'reject' && options.offline !== 'queue') throw new TypeError(`offline must be 'reject' or 'queue', not ${JSON.stringify(options.offline)}`);
	for (const name of ['token', 'getToken']) if (options[name] !== undefined && typeof options[name] !== (name === 'token' ? 'string' : 'function')) throw new TypeError(`${name} must be a ${name === 'token' ? 'text' : 'function'}`);
	for (const name of NUMBERS) if (options[name] !== undefined) options[name] = numberOf(name, options[name]);
	return options;
}

// Events: 'connecting', 'open', 'reconnecting', 'closed', 'state' (all of them), 'goaway', 'resync', 'subscribed', 'error', 'event:<topic>'.
export class Realtime extends Emitter {
	#connection;
	#rest;
	#network = () => this.#connection.nudge();

	constructor(url, given = {}) {
		super();
		const options = optionsOf(given), addresses = addressesOf(url);
		this.url = addresses.base;
		this.tokens = new Tokens(options);
		this.#connection = new Connection({
			url: addresses.socket,
			options,
			tokens: this.tokens,
			on: { open: () => this.#open(), state: (name, details) => this.#state(name, details), message: message => this.#take(message), error: error => this.report(error) },
		});
		const connection = this.#connection;
		this.#rest = new RestClient({ base: addresses.base, fetch: options.fetch, tokens: this.tokens, timeoutMs: options.timeoutMs });
		this.sync = new Sync({ connection, rest: this.#rest, options });
		this.feeds = new Feeds({ connection, options, surface: (name, value) => this.emit(name, value), report: error => this.report(error), listenerFailed: (...values) => this.listenerFailed(...values) });
		this.presence = new Presence({ realtime: this, connection });
		if (options.autoConnect) queueMicrotask(() => this.#isStarted || this.#start());
	}

	#isStarted = false;

	#start() {
		this.#isStarted = true;
		// Browsers know when the network is back; elsewhere this is never called.
		globalThis.addEventListener?.('online', this.#network);
		this.#connection.start();
	}

	/* ---- state ---- */

	// 'connecting', 'open', 'reconnecting' or 'closed'
	get state() {
		return this.#connection.state;
	}

	// Of this connection; events carry that of the writer. undefined before the first one is open.
	get connectionId() {
		return this.#connection.welcome?.connectionId;
	}

	// Resolves when the connection is open; rejects when it cannot be: closed, or refused. Begins anew after a close().
	connect() {
		const connection = this.#connection;
		if (connection.isOpen) return Promise.resolve(this);
		return new Promise((resolve, reject) => {
			const offs = [
				this.on('open', () => settle(resolve, this)),
				// Not of the end before, whose listeners may have begun this.
				this.on('closed', ({ error }) => connection.isClosed && settle(reject, error ?? closedError())),
			];
			const settle = (how, value) => {
				for (const off of offs) off();
				how(value);
			};
			if (!this.#isStarted || connection.isClosed) this.#start();
		});
	}

	// Ends it for good: all that waits is rejected. Subscriptions stay known, for a later connect().
	close() {
		globalThis.removeEventListener?.('online', this.#network);
		this.#isStarted = true; // it shall not begin after its end
		this.#connection.close();
	}

	// Of another sign-in of the same user; proves it to the server at once where there is a connection.
	setToken(token) {
		this.tokens.set(token);
		return this.#connection.isOpen ? this.#connection.refresh(token) : Promise.resolve();
	}

	/* ---- what an application asks for ---- */

	// {topic, returnMode, documentId | documentPrefix, snapshot, presence, since | after} → Subscription, at once; also before the connection is open.
	subscribe(options) {
		return this.feeds.subscribe(options);
	}

	// Resolves to a LiveDocument that has been read, also where there is none yet: then its `exists` is false.
	document(service, id, options) {
		try {
			return new LiveDocument(this, service, id, options).ready;
		} catch (error) {
			return Promise.reject(error);
		}
	}

	/* ---- what the connection says ---- */

	#open() {
		this.feeds.open();
		this.presence.open();
	}

	#state(name, details) {
		if (name === 'closed') this.#closed(details.error); // first: a listener may connect again
		this.emit(name, details);
		if (name === 'goaway' || this.state !== name) return; // a listener has moved it on, and that was told
		this.emit('state', { state: name, ...details });
		if (name === 'open') this.sync.queue.run();
	}

	#closed(error = closedError()) {
		this.tokens.close(error);
		this.#rest.close(error);
		this.sync.queue.rejectAll(() => error);
		this.feeds.closed(error);
		this.presence.closed();
	}

	#take(message) {
		switch (message.type) {
			case 'event':
				this.feeds.take(message);
				break;
			case 'resync':
				this.feeds.resync(message);
				break;
			case 'error':
				// An answer that came too late has a number; nobody waits for it any more.
				if (message.id === undefined && !this.feeds.ended(message, errorOf(message))) this.report(errorOf(message));
		}
	}

	// What belongs to no call.
	report(error) {
		if (this.listenerCount('error')) this.emit('error', error);
		else console.warn(`syncdoc: ${error instanceof RealtimeError ? `${error.code}: ` : ''}${error.message}`);
	}
}

export { LiveDocument };
export default Realtime;
