// feeds.js: all subscriptions of a client: which server subscription serves whom, and where each event goes.
import { Feed, parseTopic } from './feed.js';
import { closedError } from './errors.js';
import { LOST } from './outbox.js';
import { Revisions, isNewer } from './revisions.js';
import { Subscription } from './subscription.js';

const POSITIONS_MAX = 2000; // as many subscriptions as a connection may have, twice
const MODES = new Set(['full', 'diff', 'both']);

function check({ topic, returnMode, documentId, documentPrefix, since, after, snapshot }) {
	parseTopic(topic);
	if (returnMode !== undefined && !MODES.has(returnMode)) throw new TypeError(`returnMode must be 'full', 'diff' or 'both', not ${JSON.stringify(returnMode)}`);
	if (documentId !== undefined && documentPrefix !== undefined) throw new TypeError('documentId and documentPrefix exclude each other');
	if (since !== undefined && documentId === undefined) throw new TypeError('since needs a documentId; for topics it is after');
	if (after !== undefined && documentId !== undefined) throw new TypeError('after is for topics; with a documentId it is since');
	if (snapshot && (documentId === undefined || topic.startsWith('sync.*.'))) throw new TypeError('snapshot needs a documentId, and a topic that names its service');
}

const keyOf = ({ topic, documentId, documentPrefix }) => JSON.stringify([topic, documentId, documentPrefix]);

export class Feeds {
	generation = 0; // of the connection
	#positions = new Set(); // of the answers of this connection
	#feeds = new Map(); // key → Feed
	#narrow = new Map(); // documentId → Set of Feed
	#wide = new Set();

	// surface(name, value), report(error), listenerFailed(error, name): to the application
	constructor({ connection, options, surface, report, listenerFailed }) {
		Object.assign(this, { connection, options, surface, report, listenerFailed });
		this.seen = new Revisions(options.trackedMax);
	}

	subscribe(options) {
		check(options);
		const { topic, documentId, documentPrefix, since, after } = options, key = keyOf(options);
		let feed = this.#feeds.get(key);
		if (feed && (since !== undefined || after !== undefined)) throw new TypeError(`there is a subscription to ${topic} already: since and after are for the first one`);
		if (!feed) {
			feed = new Feed({ feeds: this, key, topic, documentId, documentPrefix, since, after });
			this.#feeds.set(key, feed);
			this.#indexOf(feed).add(feed);
		}
		const subscription = new Subscription({ feeds: this, feed, options });
		feed.join(subscription);
		const { connection } = this;
		if (connection.isClosed) queueMicrotask(() => connection.isClosed && subscription.giveUp(connection.closedBy ?? closedError()));
		return subscription;
	}

	#indexOf(feed) {
		if (!feed.isNarrow) return this.#wide;
		if (!this.#narrow.has(feed.documentId)) this.#narrow.set(feed.documentId, new Set());
		return this.#narrow.get(feed.documentId);
	}

	drop(feed) {
		const { topic, documentId, documentPrefix } = feed, index = this.#indexOf(feed);
		feed.stop();
		this.#feeds.delete(feed.key);
		index.delete(feed);
		if (feed.isNarrow && !index.size) this.#narrow.delete(documentId);
		// Refused (404) if it had not been answered yet and failed: then there is nothing to take back.
		if (this.connection.isOpen) this.connection.request({ type: 'unsubscribe', topic, documentId, documentPrefix }, { lost: LOST.DROP, timeoutMs: 0 }).catch(() => {});
	}

	// A new connection: everything is asked for again, from where it was.
	open() {
		this.generation++;
		this.#positions.clear();
		for (const feed of this.#feeds.values()) {
			feed.reset();
			feed.ask();
		}
	}

	// For good, or until the application connects again.
	closed(error) {
		this.generation++;
		for (const feed of this.#feeds.values()) {
			feed.stop();
			for (const one of [...feed.subscriptions]) one.giveUp(error);
		}
	}

	answered(position) {
		this.#positions.add(position);
		if (this.#positions.size > POSITIONS_MAX) this.#positions.delete(this.#positions.values().next().value);
	}

	// Replayed events carry the position of the answer before them; they may be news, but their position is not.
	isAnswered(position) {
		return this.#positions.has(position);
	}

	// null: there is none.
	async readDocument(service, documentId) {
		try {
			return (await this.connection.request({ type: 'sync.get', service, documentId, deleted: true }, { lost: LOST.AGAIN })).document;
		} catch (error) {
			if (error.status === 404) return null;
			throw error;
		}
	}

	#concerned(id) {
		return [...(this.#narrow.get(id) ?? []), ...this.#wide];
	}

	take(message) {
		const { topic, timestamp, payload } = message, [, service, event] = topic.split('.'), id = payload.documentId;
		let news = false;
		for (const feed of this.#concerned(id)) if (feed.matches(service, event, id) && feed.take(message, event)) news = true;
		if (news && this.#isFirst(payload, timestamp)) this.surface(`event:${topic}`, message);
	}

	// Two feeds may get the same revision at different times, when one of them resumes.
	#isFirst({ service, documentId, revision }, updatedAt) {
		if (revision === undefined) return true;
		const key = Revisions.key(service, documentId), next = { revision, updatedAt };
		if (!isNewer(next, this.seen.get(key))) return false;
		this.seen.set(key, next);
		return true;
	}

	resync(message) {
		message = { topic: 'sync.*.*', ...message };
		const { topic, service, documentId } = message, [, ofTopic] = topic.split('.');
		const feeds = documentId ? this.#concerned(documentId) : [...this.#feeds.values()];
		let recovering = true;
		// Revisions may begin anew.
		if (message.reason !== 'slow' && message.reason !== 'lapped' && !topic.endsWith('.presence'))
			this.seen.forget(key => Revisions.isOf(key, service ?? ofTopic, documentId));
		for (const feed of feeds) if (feed.isMeantBy(message) && !feed.resync(message)) recovering = false;
		this.surface('resync', { ...message, recovering });
	}

	// A subscription that was good and is not any more: a new token has fewer rights. False: it is about no subscription.
	ended({ topic, documentId, documentPrefix }, error) {
		const feed = topic && this.#feeds.get(keyOf({ topic, documentId, documentPrefix }));
		feed?.fail(error);
		return feed !== undefined;
	}

	// A document was read for one feed: the server then leaves out what others would have got of it until now.
	covered(by, document) {
		const { service, documentId } = by, key = Revisions.key(service, documentId);
		if (!document) return;
		if (document.revision < this.seen.get(key)?.revision) this.seen.set(key, document);
		for (const feed of this.#concerned(documentId)) if (feed !== by && feed.hasMissed(document)) feed.skipTo(document);
	}
}
