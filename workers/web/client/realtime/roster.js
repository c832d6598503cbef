// roster.js: who is at one document, kept current by presence events, read anew where some may be missing.
import { Emitter } from './emitter.js';
import { backoffMs } from './time.js';

const RETRY_MIN_MS = 200, RETRY_MAX_MS = 10000;

const WAITING_MAX = 1000;

const same = (a, b) => a.mode === b.mode && a.updatedAt === b.updatedAt && JSON.stringify(a.data) === JSON.stringify(b.data);

// Event: 'change' ({service, documentId, joined, updated, left, count, members}).
export class Roster extends Emitter {
	isKnown = false;
	#members = new Map(); // connectionId → member
	#waiting = []; // events that came while the list was being read
	#reads = 0;
	#failures = 0;

	constructor({ presence, service, documentId }) {
		super();
		Object.assign(this, { presence, service, documentId, isReading: true });
		this.subscription = presence.realtime.subscribe({ topic: `sync.${service}.presence`, documentId, presence: true });
		this.subscription.on('event', ({ payload }) => this.#take(payload));
		this.subscription.on('subscribed', () => this.#read());
		this.subscription.on('resync', () => this.#read());
	}

	state() {
		const { service, documentId } = this, members = [...this.#members.values()];
		return { service, documentId, joined: members, updated: [], left: [], count: this.#count(), members };
	}

	// Users: connections of one user count once.
	#count() {
		return new Set([...this.#members.values()].map(member => member.userId)).size;
	}

	async #read() {
		this.pause(); // an older one
		const read = this.#reads, { service, documentId } = this;
		this.isReading = true;
		this.#waiting = [];
		try {
			const { members } = await this.presence.list(service, documentId);
			if (read !== this.#reads) return;
			this.#failures = 0;
			this.#adopt(members);
		} catch (error) {
			if (read !== this.#reads || this.presence.connection.isClosed) return;
			if (error.status >= 400 && error.status < 500) this.presence.realtime.report(error);
			else this.timer = setTimeout(() => read === this.#reads && this.#read(), backoffMs(RETRY_MIN_MS, RETRY_MAX_MS, this.#failures++));
		}
	}

	#adopt(list) {
		const before = this.#members, joined = [], updated = [], left = [];
		this.#members = new Map(list.map(member => [member.connectionId, member]));
		for (const member of list) {
			const held = before.get(member.connectionId);
			if (!held) joined.push(member);
			else if (!same(held, member)) updated.push(member);
		}
		for (const [id, { userId, connectionId }] of before) if (!this.#members.has(id)) left.push({ userId, connectionId });
		const isFirst = !this.isKnown, waiting = this.#waiting;
		this.isReading = false;
		this.isKnown = true;
		this.#waiting = [];
		if (isFirst || joined.length || updated.length || left.length) this.#tell({ joined, updated, left });
		for (const payload of waiting) this.#take(payload);
	}

	#take(payload) {
		if (this.isReading) {
			if (this.#waiting.push(payload) > WAITING_MAX) this.#read(); // from the beginning
			return;
		}
		const { joined, updated, left } = payload;
		for (const member of [...joined, ...updated])
			if (member.mode === null) this.#members.delete(member.connectionId);
			else this.#members.set(member.connectionId, member);
		// The last connection of a user went: whatever is still known of that user goes with it.
		for (const { userId } of left) for (const member of [...this.#members.values()]) if (member.userId === userId) this.#members.delete(member.connectionId);
		this.#tell({ joined, updated, left });
	}

	#tell(change) {
		const { service, documentId } = this, all = { service, documentId, ...change, count: this.#count(), members: [...this.#members.values()] };
		this.emit('change', all);
		this.presence.emit('change', all);
	}

	// Until there is a connection again: then its subscription is answered anew.
	pause() {
		this.#reads++;
		clearTimeout(this.timer);
	}

	stop() {
		this.pause();
		this.subscription.unsubscribe();
	}

	listenerFailed(error, name) {
		this.presence.listenerFailed(error, name);
	}
}
