// presence.js: who is at a document: being there, and seeing the others.
import { Emitter } from './emitter.js';
import { AuthError, RealtimeError } from './errors.js';
import { checkDocument } from './feed.js';
import { LOST } from './outbox.js';
import { Roster } from './roster.js';
import { Revisions } from './revisions.js';
import { backoffMs } from './time.js';

const RETRY_MIN_MS = 200, RETRY_MAX_MS = 10000;

export class Presence extends Emitter {
	#joined = new Map(); // 'service:id' → {service, documentId, mode, data}: what is put down again on a new connection
	#done = new WeakSet(); // of these: what the server has taken; the others are still on their way, over whatever connection
	#rosters = new Map(); // 'service:id' → Roster
	#generation = 0;
	#retries = new Map(); // 'service:id' → timer

	constructor({ realtime, connection }) {
		super();
		Object.assign(this, { realtime, connection });
	}

	// Resolves to {service, documentId, member, count}. Options: mode 'viewing' | 'editing', data (up to 1 KiB).
	async join(service, documentId, { mode = 'viewing', data, ...options } = {}) {
		const key = Revisions.key(service, documentId), wanted = { service, documentId, mode, data };
		const before = this.#joined.get(key);
		this.#joined.set(key, wanted);
		try {
			const answer = await this.#ask('join', wanted, options);
			this.#done.add(wanted);
			return answer;
		} catch (error) {
			if (this.#joined.get(key) === wanted) this.#remember(key, before);
			throw error;
		}
	}

	#remember(key, wanted) {
		if (wanted) this.#joined.set(key, wanted);
		else this.#joined.delete(key);
	}

	// What is not said stays as it is.
	async update(service, documentId, { mode, data, ...options } = {}) {
		const key = Revisions.key(service, documentId), held = this.#joined.get(key), answer = await this.#ask('update', { service, documentId, mode, data }, options);
		// A leave() or join() behind it has the last word.
		if (this.#joined.get(key) !== held) return answer;
		const wanted = held ?? { service, documentId, mode: 'viewing' };
		if (mode !== undefined) wanted.mode = mode;
		if (data !== undefined) wanted.data = data;
		this.#joined.set(key, wanted);
		this.#done.add(wanted);
		return answer;
	}

	async leave(service, documentId, options = {}) {
		this.#joined.delete(Revisions.key(service, documentId));
		return this.#ask('leave', { service, documentId }, options);
	}

	// Resolves to {service, documentId, count, members}.
	async list(service, documentId, { timeoutMs } = {}) {
		return this.#plain(await this.connection.request({ type: 'presence.list', service, documentId }, { timeoutMs, lost: LOST.AGAIN }));
	}

	// All of these may be done twice: where the connection was lost they are done on the next one.
	async #ask(verb, members, { timeoutMs }) {
		return this.#plain(await this.connection.request({ type: `presence.${verb}`, ...members }, { timeoutMs, lost: LOST.AGAIN }));
	}

	#plain({ type, id, ...answer }) {
		return answer;
	}

	// on('session', id, listener): calls it with {joined, updated, left, count, members} at each change, first with those who are there.
	// Returns a function that ends it. on(name, listener) as everywhere: 'change' of all that are watched, 'error'.
	on(service, documentId, listener) {
		if (typeof documentId === 'function') return super.on(service, documentId);
		if (typeof listener !== 'function') throw new TypeError('presence.on(service, id, listener)');
		checkDocument(service, documentId);
		const key = Revisions.key(service, documentId);
		let roster = this.#rosters.get(key);
		if (!roster?.subscription.isActive) {
			roster = new Roster({ presence: this, service, documentId });
			this.#rosters.set(key, roster);
		}
		const entry = change => listener(change);
		const stop = roster.on('change', entry);
		if (roster.isKnown) queueMicrotask(() => roster.isKnown && entry(roster.state()));
		return () => {
			stop();
			if (roster.listenerCount('change')) return;
			roster.stop();
			if (this.#rosters.get(key) === roster) this.#rosters.delete(key);
		};
	}

	/* ---- new connections ---- */

	// Before anything the application asks for there.
	open() {
		const generation = ++this.#generation;
		for (const [key, wanted] of this.#joined) if (this.#done.has(wanted)) this.#enter(key, wanted, generation, 0);
	}

	// For good, or until the application connects again.
	closed() {
		this.#generation++;
		for (const timer of this.#retries.values()) clearTimeout(timer);
		this.#retries.clear();
		for (const roster of this.#rosters.values()) roster.pause();
	}

	async #enter(key, wanted, generation, failures) {
		try {
			await this.connection.request({ type: 'presence.join', ...wanted }, { lost: LOST.DROP, timeoutMs: 0 });
		} catch (error) {
			if (generation !== this.#generation || this.#joined.get(key) !== wanted || error.code === 'connection_lost' || error.code === 'closed') return;
			if (error.status === 503 || error.status === 0) {
				const again = () => {
					this.#retries.delete(key);
					if (generation === this.#generation && this.#joined.get(key) === wanted && this.connection.isOpen) this.#enter(key, wanted, generation, failures + 1);
				};
				clearTimeout(this.#retries.get(key));
				this.#retries.set(key, setTimeout(again, backoffMs(RETRY_MIN_MS, RETRY_MAX_MS, failures)));
				return;
			}
			this.#joined.delete(key);
			const Class = error instanceof AuthError ? AuthError : RealtimeError;
			this.realtime.report(new Class(error.code, `presence at ${key} was not put down again: ${error.message}`, { status: error.status, cause: error }));
		}
	}

	listenerFailed(error, name) {
		this.realtime.listenerFailed(error, name);
	}
}
