// resuming.js: a subscriber of one document that does what `goaway` asks for, and resumes with `since`. It checks every revision, and
// keeps none.
import WebSocket from 'ws';

const RETRY_MS_MAX = 2000; // what the server may ask for

// Data of the documents: {n}, equal to the revision.
function nOf({ data, diff }) {
	return data ? data.n : (diff.changed.n?.to ?? diff.added.n);
}

export class ResumingSubscriber {
	// hasty: leaves at a goaway and comes back when its time is over, instead of staying so long. fault(text): something is wrong.
	// tally: counts of all subscribers.
	constructor({ url, service, id, returnMode, hasty, fault, tally }) {
		Object.assign(this, { url: `${url.replace(/^http/, 'ws')}/v1/realtime`, service, id, returnMode, hasty, tally });
		this.fault = text => fault(`${id} ${returnMode}: ${text}`);
		this.held = undefined; // {createdAt, revision, updatedAt}
		this.told = 0;
	}

	connect() {
		const socket = new WebSocket(this.url, { perMessageDeflate: false, handshakeTimeout: 20000 });
		this.socket = socket;
		this.subscribed = this.going = false;
		socket.on('message', data => this.#take(socket, JSON.parse(String(data))));
		socket.on('error', error => this.fault(`socket: ${error.message}`));
		socket.on('close', code => this.#lost(socket, code));
	}

	// Of the connection before nothing more counts.
	#take(socket, message) {
		if (socket !== this.socket) return;
		const takers = {
			welcome: () => this.#subscribe(),
			subscribed: () => this.#takeSubscribed(message),
			event: () => this.#takeEvent(message),
			resync: () => this.#takeResync(message),
			goaway: () => this.#takeGoaway(message),
		};
		if (takers[message.type]) takers[message.type]();
		else this.fault(`unexpected ${JSON.stringify(message)}`);
	}

	#subscribe() {
		const place = this.held ? { since: this.held } : { snapshot: true };
		this.socket.send(JSON.stringify({ type: 'subscribe', topic: `sync.${this.service}.*`, documentId: this.id, presence: false, returnMode: this.returnMode, ...place }));
	}

	#takeSubscribed({ outcome, document }) {
		this.subscribed = true;
		this.tally[outcome]++;
		if (this.awaySince) this.tally.awayMs.push(performance.now() - this.awaySince);
		this.awaySince = undefined;
		if (outcome === 'snapshot') {
			const { createdAt, revision, updatedAt, data } = document;
			if (this.held && revision < this.held.revision) this.fault(`a snapshot of revision ${revision} after ${this.held.revision}`);
			if (data.n !== revision) this.fault(`the snapshot of revision ${revision} says ${data.n}`);
			this.held = { createdAt, revision, updatedAt };
		} else if (!this.held) this.fault(`outcome ${outcome} where a snapshot was asked for`);
	}

	#takeEvent({ timestamp, payload }) {
		const { revision, fromRevision } = payload;
		if (!this.subscribed) this.fault(`revision ${revision} before its subscribed`);
		else if ((fromRevision ?? revision - 1) !== this.held.revision) this.fault(`revision ${revision} (from ${fromRevision}) after ${this.held.revision}`);
		else if (nOf(payload) !== revision) this.fault(`revision ${revision} says ${nOf(payload)}`);
		this.tally.events++;
		if (this.held) this.held = { ...this.held, revision, updatedAt: timestamp };
	}

	// The explicit hole: what follows begins with what `since` gives.
	#takeResync({ reason }) {
		this.tally.resyncs.push(reason);
		this.subscribed = false;
		this.#subscribe();
	}

	#takeGoaway({ retryAfterMs }) {
		if (!Number.isInteger(retryAfterMs) || retryAfterMs < 0 || retryAfterMs > RETRY_MS_MAX) this.fault(`goaway with retryAfterMs ${retryAfterMs}`);
		if (this.going) this.fault('a second goaway on one connection');
		this.going = true;
		this.told++;
		if (this.hasty) this.#leave();
		this.goUntil = performance.now() + retryAfterMs;
		setTimeout(() => this.#move(), retryAfterMs);
	}

	#leave() {
		const { socket } = this;
		this.awaySince = performance.now();
		this.socket = undefined;
		this.subscribed = false;
		socket.close();
	}

	#move() {
		if (this.over || !this.going) return; // the server was faster, and that has been told
		if (this.socket) this.#leave();
		this.connect();
	}

	#lost(socket, code) {
		if (socket !== this.socket || this.over) return;
		// Whose machine stood still has let its time pass.
		const isLate = this.going && performance.now() >= this.goUntil;
		if (isLate) {
			this.tally.late++;
		} else {
			this.tally.closes.push(code);
			this.fault(`closed with ${code}${this.going ? ' before its time to go was over' : ' without a goaway'}`);
		}
		this.awaySince = performance.now();
		this.connect();
	}

	isAt(revision) {
		return this.subscribed && this.held?.revision === revision;
	}

	end() {
		this.over = true;
		this.socket?.terminate();
	}
}
