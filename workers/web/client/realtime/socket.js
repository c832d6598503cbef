// socket.js: one WebSocket from its opening to its end: welcome, authentication, and noticing that it is dead.

const OPEN = 1;
const NORMAL = 1000;

export class Socket {
	#end; // called once with {code, reason, error?}
	#ending = false;
	#timers = new Set();
	#heardAt = 0;
	#pingedAt = 0;

	// take(message): what comes after the welcome. lost({code, reason, error}): it is over; nothing follows.
	constructor({ url, WebSocket, connectTimeoutMs, heartbeatMs, pongTimeoutMs }, { welcomed, take, lost }) {
		Object.assign(this, { heartbeatMs, pongTimeoutMs, take });
		this.#end = lost;
		this.welcomed = welcomed;
		this.socket = new WebSocket(url, ['syncdoc.v1']);
		this.#after(connectTimeoutMs, () => this.welcome ?? this.abandon({ code: 0, reason: `no welcome within ${connectTimeoutMs} ms` }));
		this.socket.onmessage = ({ data }) => this.#hear(data);
		this.socket.onclose = ({ code, reason }) => this.#finish({ code, reason: String(reason ?? '') });
		// Browsers say nothing more; ws would throw without a listener.
		this.socket.onerror = ({ message, error }) => {
			this.fault = error ?? new Error(message || 'the WebSocket failed');
		};
	}

	get isOpen() {
		return !this.#ending && this.socket.readyState === OPEN && this.welcome !== undefined;
	}

	#after(ms, work) {
		const timer = setTimeout(() => {
			this.#timers.delete(timer);
			work();
		}, ms);
		this.#timers.add(timer);
	}

	#hear(data) {
		if (this.#ending) return;
		this.#heardAt = Date.now();
		let message;
		try {
			message = JSON.parse(data);
		} catch (error) {
			this.abandon({ code: 1007, reason: 'the server sent what is no JSON', error });
			return;
		}
		if (message.type === 'welcome') {
			this.welcome = message;
			this.heartbeatMs ??= message.pingInterval || 25000;
			this.#after(this.heartbeatMs, () => this.#beat());
			this.welcomed(message);
		} else if (message.type !== 'pong') {
			this.take(message);
		}
	}

	// A socket whose other end is gone takes everything and says nothing: only an answer that stays out shows it.
	#beat() {
		const now = Date.now(), waits = this.#pingedAt > this.#heardAt;
		if (waits && now - this.#pingedAt >= this.pongTimeoutMs) {
			this.abandon({ code: 0, reason: `silent for ${now - this.#heardAt} ms` });
			return;
		}
		if (!waits && now - this.#heardAt >= this.heartbeatMs) this.ping();
		this.#after(this.#pingedAt > this.#heardAt ? this.pongTimeoutMs : Math.max(1, this.heartbeatMs - (now - this.#heardAt)), () => this.#beat());
	}

	// Also when something says that the network has changed.
	ping() {
		if (!this.isOpen || this.#pingedAt > this.#heardAt) return;
		this.#pingedAt = Date.now();
		// In the same millisecond nothing has been heard since.
		this.#heardAt = Math.min(this.#heardAt, this.#pingedAt - 1);
		this.send('{"type":"ping"}');
		this.#after(this.pongTimeoutMs, () => this.#beat());
	}

	send(text) {
		this.socket.send(text);
	}

	// Ends it without waiting for the other side.
	abandon(end) {
		if (this.#ending) return;
		const { socket } = this;
		socket.onmessage = socket.onclose = null;
		socket.onerror = () => {};
		if (socket.terminate) socket.terminate();
		else socket.close();
		this.#finish(end);
	}

	// Says good-bye; the end is reported at once.
	close(reason = '') {
		if (this.#ending) return;
		const { socket } = this;
		socket.onmessage = socket.onclose = null;
		socket.onerror = () => {};
		socket.close(NORMAL, reason);
		this.#finish({ code: NORMAL, reason });
	}

	#finish(end) {
		if (this.#ending) return;
		this.#ending = true;
		for (const timer of this.#timers) clearTimeout(timer);
		this.#end({ error: this.fault, ...end });
	}
}
