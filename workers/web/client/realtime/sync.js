// sync.js: documents: reading, writing, and writing on top of what was read.
import { ConflictError, RealtimeError, closedError, offlineError } from './errors.js';
import { LOST, TOO_BIG } from './outbox.js';
import { backoffMs } from './time.js';
import { WriteQueue } from './write_queue.js';

const RETRIES = 10;
const BACKOFF_MIN_MS = 20, BACKOFF_MAX_MS = 1000;

// JSON has no NaN and no Infinity: JSON.stringify would make them null, which in a merge means removal.
function finite(name, value) {
	if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${JSON.stringify(name)} is ${value}, which JSON cannot say`);
	return value;
}

const textOf = value => JSON.stringify(value, finite);

const copyOf = data => JSON.parse(JSON.stringify(data));

function makeKey() {
	const bytes = globalThis.crypto?.getRandomValues?.(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.floor(Math.random() * 256));
	return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}

function defined(object) {
	return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}

export class Sync {
	constructor({ connection, rest, options }) {
		Object.assign(this, { connection, rest, options });
		this.queue = new WriteQueue({ connection, max: options.queueMax });
	}

	/* ---- reading ---- */

	async #read(message, { timeoutMs } = {}) {
		return this.connection.request(defined(message), { timeoutMs, lost: LOST.AGAIN });
	}

	// Options: revision (an old one), deleted: true (tombstones too), timeoutMs.
	async get(service, id, { revision, deleted, ...options } = {}) {
		return (await this.#read({ type: 'sync.get', service, documentId: id, revision, deleted }, options)).document;
	}

	// Resolves to {revisions, nextPageToken?}, newest first.
	async history(service, id, { pageSize, pageToken, ...options } = {}) {
		const { revisions, next_page_token: nextPageToken } = await this.#read({ type: 'sync.history', service, documentId: id, page_size: pageSize, page_token: pageToken }, options);
		return defined({ revisions, nextPageToken });
	}

	// Resolves to {items, nextPageToken?}. Options: order 'updated' | 'id', prefix, deleted, data, pageSize, pageToken.
	async list(service, { order, prefix, deleted, data, pageSize, pageToken, ...options } = {}) {
		const { items, next_page_token: nextPageToken } = await this.#read({ type: 'sync.list', service, order, prefix, deleted, data, page_size: pageSize, page_token: pageToken }, options);
		return defined({ items, nextPageToken });
	}

	// Resolves to [{service, documents}]: how many documents each has.
	async services(options) {
		return (await this.rest.request('GET', '/v1/services', options)).body.items;
	}

	// The living ones of up to 100 ids.
	async batchGet(service, ids, options) {
		return (await this.rest.request('POST', `${this.rest.documentPath(service)}:batchGet`, { ...options, body: textOf({ ids }) })).body.items;
	}

	/* ---- writing ---- */

	// Options of all writes: timeoutMs; idempotencyKey: a text, or true for one made here: then the write goes by REST, and is repeated until
	// its outcome is known.
	create(service, data = {}, { id, ttl, expiresAt, ...options } = {}) {
		return this.#write('create', { service, documentId: id, data, ttl, expiresAt }, options);
	}

	replace(service, id, data, { expectedRevision, ttl, expiresAt, ...options } = {}) {
		return this.#write('replace', { service, documentId: id, data, expectedRevision, ttl, expiresAt }, options);
	}

	merge(service, id, data, { expectedRevision, ttl, expiresAt, ...options } = {}) {
		return this.#write('merge', { service, documentId: id, data, expectedRevision, ttl, expiresAt }, options);
	}

	patch(service, id, operations, { expectedRevision, ttl, expiresAt, ...options } = {}) {
		return this.#write('patch', { service, documentId: id, data: operations, expectedRevision, ttl, expiresAt }, options);
	}

	delete(service, id, { expectedRevision, ...options } = {}) {
		return this.#write('delete', { service, documentId: id, expectedRevision }, options);
	}

	restore(service, id, revision, { expectedRevision, ttl, expiresAt, ...options } = {}) {
		return this.#write('restore', { service, documentId: id, revision, expectedRevision, ttl, expiresAt }, options);
	}

	// What the caller holds may change before the write goes: its text is made now.
	async #write(verb, members, options) {
		if (members.service === undefined || (members.documentId === undefined && verb !== 'create')) throw new TypeError(`${verb}(service, id, …): both are needed`);
		const text = textOf(defined({ type: `sync.${verb}`, ...members }));
		const work = () => this.#send(verb, text, options);
		if (this.connection.isClosed) throw this.connection.closedBy ?? closedError();
		if (this.options.offline === 'queue') return this.queue.isNeeded ? this.queue.add(work) : work();
		// One with a key goes by REST, and will be repeated until somebody is there.
		if (this.connection.isOffline && options.idempotencyKey === undefined) throw offlineError();
		return work();
	}

	async #send(verb, text, { idempotencyKey, timeoutMs }) {
		const key = idempotencyKey === true ? makeKey() : idempotencyKey;
		if (key !== undefined) return this.#overRest(verb, JSON.parse(text), { key, timeoutMs });
		const answer = await this.connection.request(text, { timeoutMs, lost: LOST.UNKNOWN, rejectOffline: this.options.offline === 'reject' });
		return answer === TOO_BIG ? this.#overRest(verb, JSON.parse(text), { timeoutMs }) : answer.document;
	}

	async #overRest(verb, { type, service, documentId, data, ...members }, options) {
		const { rest } = this, path = rest.documentPath(service, documentId), send = (method, target, body, more) => rest.request(method, target, { ...options, body, ...more });
		const whole = () => textOf({ data, ...members });
		const answer = {
			create: () => send('POST', rest.documentPath(service), textOf(defined({ id: documentId, data, ...members }))),
			replace: () => send('PUT', path, whole()),
			merge: () => send('PATCH', path, whole()),
			patch: async () => send('PATCH', path, textOf(data), { contentType: 'application/json-patch+json', headers: await this.#patchCondition(service, documentId, members) }),
			delete: () => send('DELETE', path, undefined, { query: { expectedRevision: members.expectedRevision } }),
			restore: () => send('POST', `${path}/restore`, textOf(members)),
		};
		return (await answer[verb]()).body;
	}

	// The body of a JSON Patch has no place for conditions: If-Match says the same, and needs the entity tag.
	async #patchCondition(service, id, { expectedRevision, ttl, expiresAt }) {
		if (ttl !== undefined || expiresAt !== undefined) throw new RealtimeError('unsupported', 'over REST a patch cannot change when the document expires: use merge or replace');
		if (expectedRevision === undefined) return {};
		const { body: document } = await this.rest.request('GET', this.rest.documentPath(service, id), { timeoutMs: this.options.timeoutMs });
		if (document.revision !== expectedRevision)
			throw new ConflictError('revision_conflict', `expectedRevision is ${expectedRevision}, the document is at revision ${document.revision}`, { status: 409, currentRevision: document.revision, document });
		return { 'If-Match': `"${document.revision}-${document.updatedAt}"` };
	}

	/* ---- reading, changing, writing ---- */

	// fn(data, envelope) gets a copy: it returns new data, or changes the copy and returns nothing; it may be async. It is called again
	// with the newer document when somebody else was faster. Options: maxRetries, initial (data to begin with where there is no living
	// document; else that is an error), and those of replace, which hold in every attempt.
	async mutate(service, id, fn, { maxRetries = RETRIES, initial, base, ...options } = {}) {
		let envelope = base ?? (await this.#base(service, id, initial, options));
		for (let retries = 0; ; retries++) {
			const data = copyOf(envelope.data), result = await fn(data, envelope);
			try {
				return await this.replace(service, id, result === undefined ? data : result, { ...options, expectedRevision: envelope.revision });
			} catch (error) {
				const conflict = error instanceof ConflictError;
				if ((!conflict && error.code !== 'write_contention') || retries >= maxRetries) throw error;
				await new Promise(resolve => setTimeout(resolve, backoffMs(BACKOFF_MIN_MS, BACKOFF_MAX_MS, retries)));
				envelope = conflict && error.document && !error.document.deleted ? error.document : await this.#base(service, id, initial, options);
			}
		}
	}

	async #base(service, id, initial, { timeoutMs }) {
		try {
			return await this.get(service, id, { timeoutMs });
		} catch (error) {
			if (initial === undefined || (error.status !== 404 && error.status !== 410)) throw error;
			return { service, id, revision: 0, data: initial };
		}
	}
}
