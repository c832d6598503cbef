// subscription.js: what subscribe() gives: one user of a feed. Several may share one subscription of the server.
import { Emitter } from './emitter.js';
import { RealtimeError } from './errors.js';

const WAITING_MAX = 1000; // events that wait until the document has been read

// Events: 'event' (message), 'subscribed' ({outcome, position, document, resumed}), 'snapshot' (document or null), 'resync', 'error'.
export class Subscription extends Emitter {
	#settle; // of `ready`
	#waiting; // events that come while a late joiner reads the document

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
		this.ready.catch(() => {}); // who does not ask for it need not handle it; there is 'error' too
	}

	get wantsPresence() {
		return this.options.presence ?? (this.feed.isNarrow || this.feed.event === '*' || this.feed.event === 'presence');
	}

	get wantsSnapshot() {
		return this.feed.canSnapshot && this.options.snapshot !== false;
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
		this.#settle.reject(new RealtimeError('unsubscribed', 'unsubscribed before the server had answered'));
	}

	// To a feed that is there already: its snapshot was somebody else's.
	async joinLate(answer) {
		if (!this.wantsSnapshot) {
			this.subscribed({ ...answer, document: undefined }, false);
			return;
		}
		this.#waiting = [];
		const { service, documentId } = this.feed;
		try {
			const document = await this.feeds.readDocument(service, documentId);
			// A reconnect may have brought a snapshot meanwhile.
			if (this.#waiting && this.isActive) this.subscribed({ outcome: 'snapshot', position: this.feed.position, document }, false);
		} catch (error) {
			if (this.#waiting && this.isActive) this.failed(error);
		}
	}

	subscribed(answer, resumed) {
		const waiting = this.#waiting ?? [], { outcome, position, document } = answer;
		// A late joiner that has not read yet holds nothing that could be resumed.
		if (this.#waiting && document === undefined) return;
		this.#waiting = undefined;
		this.outcome = outcome;
		this.document = document;
		this.#settle.resolve({ outcome, position, document });
		this.emit('subscribed', { outcome, position, document, resumed });
		if (document !== undefined) this.emit('snapshot', document);
		for (const message of waiting) if (!(message.payload.revision <= document?.revision)) this.emit('event', message);
	}

	take(message) {
		if (!this.#waiting) this.emit('event', message);
		else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(message);
		else this.failed(new RealtimeError('queue_full', 'too many events while the document was being read'));
	}

	// `ready` is not kept waiting for a connection that will not come.
	giveUp(error) {
		this.#settle.reject(error);
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
