// document.js: a document that keeps itself current: read once, then followed by diffs.
import { applyDiff } from './diff.js';
import { Emitter } from './emitter.js';
import { checkDocument } from './feed.js';
import { isNewer } from './revisions.js';

const WRITE_SHOWN_MS = 1000; // the event of an own write is here by then, or its answer is taken instead

// Events: 'created', 'updated', 'deleted', 'expired' ({data, revision, updatedAt, diff?, isOwn, document}), 'changed' (all of these, with `type`),
// 'presence' (where asked for), 'resync', 'error', 'closed'.
export class LiveDocument extends Emitter {
	data = null; // null: there is none. To be read only: parts of it are shared with later data
	revision = 0;
	createdAt;
	updatedAt;
	deleted = false;
	#realtime;
	#subscription;
	#readers = new Set(); // of those who wait for a revision
	#ready;
	#isRead = false;
	#refreshing;

	constructor(realtime, service, id, { returnMode = 'diff', presence = false } = {}) {
		super();
		checkDocument(service, id);
		Object.assign(this, { service, id });
		this.#realtime = realtime;
		this.#subscription = realtime.subscribe({ topic: `sync.${service}.*`, documentId: id, returnMode, presence });
		this.#ready = new Promise((resolve, reject) => {
			this.#subscription.once('snapshot', () => resolve(this));
			this.#subscription.ready.catch(reject);
		});
		this.#ready.catch(() => this.close());
		this.#subscription.on('snapshot', document => this.#adopt(document));
		this.#subscription.on('event', message => this.#take(message));
		this.#subscription.on('resync', resync => this.emit('resync', resync));
		this.#subscription.on('error', error => {
			this.emit('error', error);
			this.close();
		});
		// No event will come of what is waited for.
		this.#subscription.on('disconnected', () => this.#releaseAll());
	}

	// Resolves to this when the document has been read.
	get ready() {
		return this.#ready;
	}

	// There is a living document.
	get exists() {
		return this.revision > 0 && !this.deleted;
	}

	get isClosed() {
		return !this.#subscription.isActive;
	}

	/* ---- following ---- */

	// Replayed diffs lead to the newest; what has no diffs is read as a whole.
	#take({ topic, timestamp, payload }) {
		const event = topic.slice(topic.lastIndexOf('.') + 1);
		if (event === 'presence') {
			this.emit('presence', payload);
			return;
		}
		const { revision, fromRevision, data, diff } = payload;
		if (!isNewer({ revision, updatedAt: timestamp }, this)) return;
		// One that was purged begins anew.
		const isNew = revision === 1, held = isNew ? 0 : this.revision;
		let next = data;
		if (next === undefined) {
			try {
				if ((fromRevision ?? revision - 1) !== held) throw new RangeError(`revision ${revision} does not follow ${held}`);
				next = applyDiff((isNew ? undefined : this.data) ?? {}, diff);
			} catch (error) {
				this.#subscription.renew(error);
				return;
			}
		}
		if (isNew) this.createdAt = timestamp;
		else if (this.revision === 0 || event === 'created') this.createdAt ??= timestamp;
		Object.assign(this, { data: next, revision, updatedAt: timestamp, deleted: payload.deleted === true });
		const own = payload.connectionId !== undefined && payload.connectionId === this.#realtime.connectionId;
		this.#changed(event, { diff, isOwn: own, payload });
	}

	// What was read: at the beginning, after a gap that could not be told event by event, or as the answer to a write.
	#adopt(document, { isOwn = false } = {}) {
		const before = { revision: this.revision, updatedAt: this.updatedAt, deleted: this.deleted }, isFirst = !this.#isRead;
		this.#isRead = true;
		if (!document) {
			if (!before.revision) return;
			Object.assign(this, { data: null, revision: 0, createdAt: undefined, updatedAt: undefined, deleted: false });
			this.#changed('deleted', { purged: true, isOwn });
			return;
		}
		const { data, revision, createdAt, updatedAt, deleted = false } = document;
		if (revision === before.revision && updatedAt === before.updatedAt) return;
		Object.assign(this, { data, revision, createdAt, updatedAt, deleted });
		if (isFirst) return;
		this.#changed(deleted ? 'deleted' : before.deleted || !before.revision ? 'created' : 'updated', { isOwn, snapshot: true });
	}

	#changed(type, more) {
		const { data, revision, updatedAt } = this, change = { type, data, revision, updatedAt, document: this, ...more };
		this.emit(type, change);
		this.emit('changed', change);
		for (const reader of [...this.#readers]) if (!isNewer(reader.envelope, this)) reader.release();
	}

	// Reads the document anew, whatever is held.
	async refresh() {
		this.#refreshing ??= this.#realtime.feeds.readDocument(this.service, this.id).finally(() => {
			this.#refreshing = undefined;
		});
		const document = await this.#refreshing;
		// Events may have overtaken the answer.
		if (!this.isClosed && (!document || isNewer(document, this))) this.#adopt(document);
		return this;
	}

	/* ---- writing ---- */

	create(data, options) {
		return this.#shown(this.#realtime.sync.create(this.service, data, { ...options, id: this.id }));
	}

	replace(data, options) {
		return this.#shown(this.#realtime.sync.replace(this.service, this.id, data, options));
	}

	merge(data, options) {
		return this.#shown(this.#realtime.sync.merge(this.service, this.id, data, options));
	}

	patch(operations, options) {
		return this.#shown(this.#realtime.sync.patch(this.service, this.id, operations, options));
	}

	delete(options) {
		return this.#shown(this.#realtime.sync.delete(this.service, this.id, options));
	}

	restore(revision, options) {
		return this.#shown(this.#realtime.sync.restore(this.service, this.id, revision, options));
	}

	// As sync.mutate(), beginning with what is held.
	mutate(fn, options) {
		const { service, id, data, revision, createdAt, updatedAt, exists } = this;
		const base = exists && !this.isClosed ? { revision, updatedAt, createdAt, service, id, data } : undefined;
		return this.#shown(this.#realtime.sync.mutate(service, id, fn, { ...options, base }));
	}

	history(options) {
		return this.#realtime.sync.history(this.service, this.id, options);
	}

	// A write is done when its change can be seen here: its event comes right behind the answer, with the diff.
	async #shown(write) {
		const envelope = await write;
		if (!isNewer(envelope, this) || this.isClosed) return envelope;
		await new Promise(resolve => {
			const release = () => {
				clearTimeout(timer);
				this.#readers.delete(reader);
				resolve();
			};
			const reader = { envelope, release }, timer = setTimeout(release, WRITE_SHOWN_MS);
			this.#readers.add(reader);
			if (this.#realtime.state === 'closed') release();
		});
		if (isNewer(envelope, this) && !this.isClosed) this.#adopt(envelope, { isOwn: true });
		return envelope;
	}

	#releaseAll() {
		for (const reader of [...this.#readers]) reader.release();
	}

	// It stays as it is from now on.
	close() {
		if (this.#subscription.isActive) this.#subscription.unsubscribe();
		this.#releaseAll();
		if (this.wasClosed) return;
		this.wasClosed = true;
		this.emit('closed', this);
	}

	listenerFailed(error, name) {
		this.#realtime.listenerFailed(error, name);
	}
}
