// connection.js: keeps a connection: states, reconnecting with full jitter, tokens. What goes over it is outbox.js.
import { AuthError, RealtimeError, closedError, errorOf, offlineError } from './errors.js';
import { LOST, Outbox } from './outbox.js';
import { Socket } from './socket.js';
import { backoffMs, now } from './time.js';

const CLOSE_TOKEN_EXPIRED = 4001, CLOSE_FORBIDDEN = 4003, CLOSE_POLICY = 1008, CLOSE_OVERLOAD = 1013;
const AUTH = 'auth'; // the id of that message
const STABLE_MS = 5000; // open that long: the next loss begins with short delays again
const SLOW_FROM = 4; // attempts: where the server says that there is too much, delays begin long
const DRAIN_MS = 1000; // what has been sent may be answered before a planned change of connection
const DRAIN_LOOK_MS = 10;
const FORBIDDEN = 403;
const TOKEN_RETRY_MS = 5000;

export class Connection {
	state = 'connecting';
	isOffline = false; // lost, and not by a change of connection that takes a moment
	#socket;
	#run = 0; // counts attempts: what belongs to an older one is ignored
	#failures = 0;
	#openedAt = 0;
	#timers = {}; // retry, refresh, goaway, drain
	#authFailures = 0;

	// on: {open(welcome), state(name, details), message(message), error(error)}
	constructor({ url, options, tokens, on }) {
		Object.assign(this, { url, options, tokens, on });
		this.outbox = new Outbox({
			send: text => this.#socket.send(text),
			queueMax: options.queueMax,
			messagesPerSecond: options.messagesPerSecond,
			messagesBurst: options.messagesBurst,
		});
	}

	get isOpen() {
		return this.state === 'open';
	}

	// Closed by the user, or for a reason that trying again does not mend.
	get isClosed() {
		return this.state === 'closed';
	}

	request(message, { timeoutMs = this.options.timeoutMs, ...rest } = {}) {
		if (this.isClosed) return Promise.reject(this.closedBy ?? closedError());
		if (!this.isOpen && rest.lost === LOST.DROP) return Promise.reject(offlineError());
		return this.outbox.request(message, { timeoutMs, ...rest });
	}

	/* ---- opening ---- */

	start() {
		this.closedBy = undefined;
		this.#failures = this.#authFailures = 0;
		const run = ++this.#run;
		this.#setState('connecting', {});
		if (run === this.#run) this.#attempt(); // else a listener closed it
	}

	#clearTimers() {
		for (const timer of Object.values(this.#timers)) clearTimeout(timer);
		this.#timers = {};
	}

	async #attempt() {
		const run = ++this.#run;
		this.#clearTimers();
		let token;
		try {
			token = await this.tokens.get();
		} catch (cause) {
			if (run !== this.#run) return;
			this.on.error(new RealtimeError('token_failed', `getToken() failed: ${cause?.message ?? cause}`, { cause }));
			if (run === this.#run) this.#lost({ code: 0, reason: 'no token' });
			return;
		}
		if (run !== this.#run) return;
		const mine = work => (...values) => run === this.#run && work(...values);
		const { WebSocket, connectTimeoutMs, heartbeatMs, pongTimeoutMs } = this.options;
		try {
			this.#socket = new Socket(
				{ url: this.url, WebSocket, connectTimeoutMs, heartbeatMs, pongTimeoutMs },
				{ opened: mine(() => this.#authenticate(token)), welcomed: mine(welcome => this.#welcomed(welcome)), take: mine(message => this.#take(message)), lost: mine(end => this.#lost(end)) },
			);
		} catch (error) {
			this.#lost({ code: 0, reason: error.message, error });
		}
	}

	// Before everything else: nothing is allowed without it.
	#authenticate(token) {
		this.provenToken = token;
		this.isProven = token === undefined;
		if (!this.isProven) this.#socket.send(JSON.stringify({ type: 'auth', token, id: AUTH }));
	}

	#welcomed(welcome) {
		this.welcome = welcome;
		this.isWelcome = true;
		if (this.isProven) this.#opened();
	}

	#authenticated(answer) {
		if (answer.type === 'error') {
			this.#authRefused(errorOf(answer));
			return;
		}
		this.isProven = true;
		this.endsAt = answer.expiresAt;
		if (this.isWelcome) this.#opened();
	}

	#authRefused(error) {
		if (error instanceof AuthError && !this.#mayTryAnother()) this.#stop(error);
		else this.#socket.abandon({ code: 0, reason: error.message, error });
	}

	// Another token may do better; once.
	#mayTryAnother() {
		const isOther = this.tokens.held !== undefined && this.tokens.held !== this.provenToken;
		if (!isOther) this.tokens.forget();
		return (isOther || this.tokens.renewable) && ++this.#authFailures <= 1;
	}

	#opened() {
		this.#socket.settled();
		const run = this.#run;
		this.#openedAt = now();
		this.#authFailures = 0;
		this.isOffline = false;
		this.state = 'open';
		this.outbox.start(() => this.on.open(this.welcome), this.welcome.maxMessage);
		this.on.state('open', { connectionId: this.welcome.connectionId, server: this.welcome.server });
		if (run !== this.#run) return;
		// Set while the one before was on its way.
		if (this.tokens.held !== undefined && this.tokens.held !== this.provenToken) this.refresh(this.tokens.held);
		else this.#planRefresh(this.tokens.refreshInMs(this.endsAt));
	}

	#take(message) {
		try {
			this.#dispatch(message);
		} catch (cause) {
			this.on.error(new RealtimeError('invalid_message', `the server sent what makes no sense: ${cause.message}`, { cause }));
		}
	}

	#dispatch(message) {
		if (message.id === AUTH) {
			if (!this.isOpen) this.#authenticated(message);
		} else if (message.type === 'goaway') {
			this.#goAway(message);
		} else if (message.id === undefined || !this.outbox.answer(message)) {
			this.on.message(message);
		}
	}

	/* ---- tokens ---- */

	#planRefresh(inMs) {
		if (inMs !== undefined) this.#timers.refresh = setTimeout(() => this.refresh(), inMs);
	}

	// Proves anew who this is, by that token or another one of getToken(); the connection stays.
	async refresh(given) {
		const run = this.#run;
		clearTimeout(this.#timers.refresh);
		try {
			const token = given ?? (await this.tokens.renew());
			if (run !== this.#run || !this.isOpen || token === undefined) return;
			const { expiresAt } = await this.request({ type: 'auth', token }, { lost: LOST.DROP, onAnswer: () => (this.provenToken = token) });
			if (run === this.#run) this.#planRefresh(this.tokens.refreshInMs(expiresAt));
		} catch (error) {
			if (run !== this.#run || !this.isOpen) return;
			this.on.error(error instanceof RealtimeError ? error : new RealtimeError('token_failed', `getToken() failed: ${error?.message ?? error}`, { cause: error }));
			if (run !== this.#run) return;
			// Another user's token is good for another connection only; with one that is not good at all this connection goes on until its end.
			if (error.status === FORBIDDEN) this.reconnect('another user');
			else if (this.tokens.renewable) this.#planRefresh(TOKEN_RETRY_MS);
		}
	}

	/* ---- losing, and coming back ---- */

	#lost({ code, reason, error }) {
		const wasOpen = this.isOpen, { planned } = this;
		this.#run++;
		this.#socket = undefined;
		this.isWelcome = this.planned = false;
		this.#clearTimers();
		if (wasOpen && now() - this.#openedAt > STABLE_MS) this.#failures = 0;
		this.state = 'reconnecting';
		this.outbox.lose(new RealtimeError('connection_lost', `the connection was lost: ${code} ${reason}`, { cause: error }));
		if (error instanceof AuthError) {
			this.#retry(0, { code, reason, error });
			return;
		}
		if (code === CLOSE_TOKEN_EXPIRED || code === CLOSE_FORBIDDEN) {
			const refusal = new AuthError(code === CLOSE_TOKEN_EXPIRED ? 'token_expired' : 'forbidden', reason || 'the server closed the connection', { status: code === CLOSE_FORBIDDEN ? 403 : 401 });
			// Right after it had been opened: not in a circle.
			if (this.#mayTryAnother()) this.#retry(wasOpen && now() - this.#openedAt < STABLE_MS ? this.#delayMs() : 0, { code, reason, error: refusal });
			else this.#stop(refusal, code);
			return;
		}
		if (code === CLOSE_OVERLOAD || code === CLOSE_POLICY) this.#failures = Math.max(this.#failures, SLOW_FROM);
		this.isOffline = !planned;
		if (this.isOffline) this.outbox.rejectOffline(offlineError);
		this.#retry(planned ? 0 : this.#delayMs(), { code, reason, error });
	}

	#delayMs() {
		return backoffMs(this.options.reconnectMinMs, this.options.reconnectMaxMs, this.#failures++);
	}

	#retry(delayMs, { code, reason, error }) {
		const run = this.#run;
		this.#timers.retry = setTimeout(() => this.#attempt(), delayMs);
		this.#setState('reconnecting', { delayMs: Math.round(delayMs), attempt: this.#failures, code, reason, error });
		if (run !== this.#run) clearTimeout(this.#timers.retry); // a listener closed or restarted it
	}

	#setState(state, details) {
		this.state = state;
		this.on.state(state, details);
	}

	// The server will end. Within the time it names, at a moment of our own, and after what is under way.
	#goAway({ retryAfterMs = 0 }) {
		clearTimeout(this.#timers.goaway);
		this.#timers.goaway = setTimeout(() => this.reconnect('the server is going away'), Math.random() * retryAfterMs);
		this.on.state('goaway', { retryAfterMs }); // a listener may close it
	}

	// Gives up this connection for another one; nothing more is sent over it, and answers may still come for a while.
	reconnect(reason) {
		if (!this.isOpen) return;
		const end = now() + DRAIN_MS, run = this.#run;
		this.planned = true;
		this.outbox.open = false;
		const look = () => {
			if (run !== this.#run) return;
			if (!this.outbox.sentCount || now() >= end) this.#socket.close(reason);
			else this.#timers.drain = setTimeout(look, DRAIN_LOOK_MS);
		};
		look();
	}

	// The network may have changed: no waiting, no trusting.
	nudge() {
		if (this.state === 'reconnecting' && !this.#socket) this.#attempt();
		else this.#socket?.ping();
	}

	close(code, reason) {
		if (!this.isClosed) this.#stop(undefined, code, reason);
	}

	#stop(error, code = 1000, reason = '') {
		const socket = this.#socket;
		this.#run++;
		this.#socket = undefined;
		this.isWelcome = this.planned = this.isOffline = false;
		this.#clearTimers();
		socket?.close(reason);
		this.closedBy = error;
		this.state = 'closed';
		this.outbox.rejectAll(() => error ?? closedError());
		this.on.state('closed', { code, reason: reason || error?.message || '', error });
	}
}
