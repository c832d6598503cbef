// subscription.js: what subscribe() gives: one user of a feed. Several may share one subscription of the server.
import { Emitter } from './emitter.js';
import { RealtimeError } from './errors.js';
import { isNewer } from './revisions.js';
import { backoffMs } from './time.js';

const RETRY_MIN_MS = 200, RETRY_MAX_MS = 10000;
const WAITING_MAX = 1000; // events that wait until the document has been read

// Events: 'event' (message), 'subscribed' ({outcome, position, document, resumed}), 'snapshot' (document or null), 'resync', 'error', 'disconnected' (for good).
export class Subscription extends Emitter {
	#settle; // of `ready`
	#waiting; // events that came before the document was read
	#isReading = false;
	#wake = () => {}; // ends a pause of that
	#covered; // the document that was read: events of what it has already may come behind it

	constructor({ feeds, feed, options }) {
		super();
		Object.assign(this, { feeds, feed, options });
		this.topic = options.topic;
		this.documentId = options.documentId;
		this.documentPrefix = options.documentPrefix;
		this.returnMode = options.returnMode ?? 'full';
		// Resolves to {outcome, position, document?} when the server has answered for the first time.
		this.ready = new Promise((resolve, reject) => {
			this.#settle = { resolve, reject };
		});
		if (this.wantsSnapshot) this.#waiting = [];
		this.ready.catch(() => {}); // who does not ask for it need not handle it; there is 'error' too
	}

	get wantsPresence() {
		return this.options.presence ?? (this.feed.isNarrow || this.feed.event === '*' || this.feed.event === 'presence');
	}

	get wantsSnapshot() {
		return this.feed.canSnapshot && (this.options.snapshot ?? this.options.since === undefined);
	}

	// Where an application that stores it may go on later: `after` of another subscribe().
	get position() {
		return this.feed.position;
	}

	get isActive() {
		return this.feed.subscriptions.has(this);
	}

	unsubscribe() {
		if (!this.isActive) return;
		this.feed.leave(this);
		this.#wake();
		this.#settle.reject(new RealtimeError('unsubscribed', 'unsubscribed before the server had answered'));
	}

	// The server's answer to the feed; `document` where it was read with it.
	subscribed({ outcome, position, document }, resumed) {
		if (this.#waiting && document === undefined) {
			this.#read();
			return;
		}
		const waiting = this.#waiting ?? [], again = resumed && this.outcome !== undefined;
		this.#waiting = undefined;
		this.outcome = outcome;
		this.document = document;
		this.#settle.resolve({ outcome, position, document });
		this.emit('subscribed', { outcome, position, document, resumed: again });
		if (document !== undefined) this.skipTo(document);
		for (const message of waiting) if (this.isActive) this.#deliver(message);
	}

	// A document that was read stands for all events up to it.
	skipTo(document) {
		this.#covered = document ?? undefined;
		this.emit('snapshot', document);
	}

	#deliver(message) {
		const { timestamp, payload } = message, { revision } = payload;
		if (revision === undefined || isNewer({ revision, updatedAt: timestamp }, this.#covered)) this.emit('event', message);
	}

	// For one that came later than the others of its feed: the snapshot was theirs.
	async #read() {
		if (this.#isReading) return;
		this.#isReading = true;
		const { service, documentId } = this.feed;
		for (let failures = 0; this.#waiting && this.isActive; failures++)
			try {
				const document = await this.feeds.readDocument(service, documentId);
				// A reconnect may have brought a snapshot meanwhile.
				if (this.#waiting && this.isActive) this.subscribed({ outcome: 'snapshot', position: this.feed.position, document }, false);
			} catch (error) {
				if (this.feeds.connection.isClosed) break; // until the application connects again
				if (error.status !== 503 && error.status !== 0) this.failed(error);
				else await this.#pause(backoffMs(RETRY_MIN_MS, RETRY_MAX_MS, failures));
			}
		this.#isReading = false;
	}

	#pause(ms) {
		return new Promise(resolve => {
			const timer = setTimeout(resolve, ms);
			this.#wake = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}

	// What its user holds does not fit the events: the document is read anew.
	renew(cause) {
		this.feed.renew(cause);
	}

	take(message) {
		if (!this.#waiting) this.#deliver(message);
		else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(message);
		else this.failed(new RealtimeError('queue_full', 'too many events while the document was being read'));
	}

	// `ready` is not kept waiting for a connection that will not come.
	giveUp(error) {
		this.#settle.reject(error);
		this.#wake();
		this.emit('disconnected', error);
	}

	failed(error) {
		if (!this.isActive) return;
		this.feed.leave(this);
		this.#settle.reject(error);
		this.emit('error', error);
		this.feeds.report(error);
	}

	listenerFailed(error, name) {
		this.feeds.listenerFailed(error, name);
	}
}
