// socket.js: one WebSocket from its opening to its end: welcome, authentication, and noticing that it is dead.
import { now } from './time.js';

const OPEN = 1;
const NORMAL = 1000, ABNORMAL = 1006;
const FAULT_MS = 50; // an error is followed by a close
const HEARTBEAT_MS = 25000; // of a server that does not say how often it pings
const LATE_MS = 1000;
const CLOSE_MS = 2000; // for the other side to say good-bye, too; ws alone would wait for half a minute

export class Socket {
	#end; // called once with {code, reason, error?}
	#ending = false;
	#timers = {}; // settled, beat, fault
	#heardAt = 0;
	#pingedAt = 0; // later than #heardAt: an answer is waited for

	// opened(): messages may be sent. welcomed(message). take(message): all other messages. lost({code, reason, error}): it is over; nothing follows.
	constructor({ url, WebSocket, connectTimeoutMs, heartbeatMs, pongTimeoutMs }, { opened, welcomed, take, lost }) {
		Object.assign(this, { heartbeatMs, pongTimeoutMs, welcomed, take });
		this.#end = lost;
		this.socket = new WebSocket(url, ['syncdoc.v1']);
		this.#timers.settled = setTimeout(() => this.abandon({ code: 0, reason: `not open within ${connectTimeoutMs} ms` }), connectTimeoutMs);
		this.socket.onopen = () => opened();
		this.socket.onmessage = ({ data }) => this.#hear(data);
		this.socket.onclose = ({ code, reason }) => this.#finish({ code, reason: String(reason ?? '') });
		// Why, browsers do not say; ws would throw without a listener.
		this.socket.onerror = ({ message, error }) => {
			this.fault = error ?? new Error(message || 'the WebSocket failed');
			// That of Node 22 says nothing more when nobody listens at the address.
			this.#timers.fault ??= setTimeout(() => this.abandon({ code: ABNORMAL, reason: this.fault.message }), FAULT_MS);
		};
	}

	get isOpen() {
		return !this.#ending && this.socket.readyState === OPEN;
	}

	#hear(data) {
		if (this.#ending) return;
		this.#heardAt = now();
		let message;
		try {
			message = JSON.parse(data);
		} catch (error) {
			this.abandon({ code: 1007, reason: 'the server sent what is no JSON', error });
			return;
		}
		if (message === null || typeof message !== 'object') message = {};
		if (message.type === 'welcome') {
			this.heartbeatMs ??= message.pingInterval || HEARTBEAT_MS;
			this.#beatIn(this.heartbeatMs);
			this.welcomed(message);
		} else if (message.type !== 'pong') {
			this.take(message);
		}
	}

	// Welcome and authenticated: from now on silence is what ends it.
	settled() {
		clearTimeout(this.#timers.settled);
	}

	// A socket whose other end is gone takes everything and says nothing: only an answer that stays out shows it.
	#beat(dueAt) {
		const silentMs = now() - this.#heardAt;
		if (this.#pingedAt > this.#heardAt) {
			// Late because everything stood still here: the answer may lie there unread.
			if (now() - dueAt > LATE_MS) this.#beatIn(this.pongTimeoutMs);
			else this.abandon({ code: 0, reason: `silent for ${Math.round(silentMs)} ms` });
		} else if (silentMs >= this.heartbeatMs) {
			this.ping();
		} else {
			this.#beatIn(this.heartbeatMs - silentMs);
		}
	}

	#beatIn(ms) {
		const dueAt = now() + ms;
		clearTimeout(this.#timers.beat);
		this.#timers.beat = setTimeout(() => this.#beat(dueAt), ms);
	}

	// Also when something says that the network has changed.
	ping() {
		if (!this.isOpen || this.#pingedAt > this.#heardAt) return;
		this.#pingedAt = now();
		// What was heard in this same millisecond is no answer.
		this.#heardAt = Math.min(this.#heardAt, this.#pingedAt - 1);
		this.send('{"type":"ping"}');
		this.#beatIn(this.pongTimeoutMs);
	}

	send(text) {
		this.socket.send(text);
	}

	// Ends it without waiting for the other side.
	abandon(end) {
		if (this.#ending) return;
		const { socket } = this;
		socket.onopen = socket.onmessage = socket.onclose = null;
		socket.onerror = () => {};
		if (socket.terminate) socket.terminate();
		else socket.close();
		this.#finish(end);
	}

	// Says good-bye; the end is reported at once.
	close(reason = '') {
		if (this.#ending) return;
		const { socket } = this;
		socket.onopen = socket.onmessage = socket.onclose = null;
		socket.onerror = () => {};
		if (socket.terminate) {
			const timer = setTimeout(() => socket.terminate(), CLOSE_MS);
			socket.onclose = () => clearTimeout(timer);
		}
		socket.close(NORMAL, reason);
		this.#finish({ code: NORMAL, reason });
	}

	#finish(end) {
		if (this.#ending) return;
		this.#ending = true;
		for (const timer of Object.values(this.#timers)) clearTimeout(timer);
		this.#end({ error: this.fault, ...end });
	}
}
