// feed.js: one subscription of the server: what it asks for, where it resumes, which events are news to it.
import { LOST } from './outbox.js';
import { Revisions, isNewer } from './revisions.js';
import { backoffMs, now } from './time.js';

const PRESENCE = 'presence', ALL = 'sync.*.*';
const RETRY_MIN_MS = 200, RETRY_MAX_MS = 10000;
const PAUSE_MIN_MS = 25, PAUSE_MAX_MS = 5000; // before resuming of one who is too slow
const CLOCKS_MS = 60000; // by which the clocks here and there may differ
const CALM_MS = 30000; // without a resync: the next one is answered without delay again
const OVERTAKEN = new Set(['lapped', 'slow']); // reasons after which resuming brings what was missed

const overlap = (a, b) => a === '*' || b === '*' || a === b;

export function parseTopic(topic) {
	const match = /^sync\.([A-Za-z0-9_-]{1,64}|\*)\.(created|updated|deleted|expired|presence|\*)$/.exec(topic);
	if (!match) throw new TypeError(`topic must be sync.{service}.{created|updated|deleted|expired|presence}, with * for either, not ${JSON.stringify(topic)}`);
	return { service: match[1], event: match[2] };
}

// Without an id, or with a `*`, it would be many.
export function checkDocument(service, id) {
	if (typeof service !== 'string' || service === '*' || typeof id !== 'string') throw new TypeError(`a service and an id are needed, both texts, not ${JSON.stringify([service, id])}`);
}

export class Feed {
	subscriptions = new Set();
	answer; // the last `subscribed`, while it holds on this connection
	held; // of one document of one service: {createdAt?, revision, updatedAt} of what was last seen
	wasLive = false;
	isResuming = false;
	lastTimestamp = 0; // of an event
	#liveAt; // by the clock here
	position; // of a topic: where a resume goes on
	#asking = false;
	#again = false;
	#asked; // what the server was last asked for, to see whether that is still enough
	#force = false;
	#refusals = 0;
	#recoveries = 0;
	#recoveredAt = -Infinity;
	#timer;

	constructor({ feeds, key, topic, documentId, documentPrefix, since, after }) {
		Object.assign(this, { feeds, key, topic, documentId, documentPrefix }, parseTopic(topic));
		this.held = since && { ...since };
		this.position = after;
		this.seen = new Revisions(feeds.options.trackedMax);
	}

	get isNarrow() {
		return this.documentId !== undefined;
	}

	// Not of several services that have the same id.
	get isOfOneDocument() {
		return this.isNarrow && this.service !== '*';
	}

	// It can be read together with the subscribe, and resumed by revision.
	get canSnapshot() {
		return this.isOfOneDocument && this.event !== PRESENCE;
	}

	get seesAllRevisions() {
		return this.event === '*';
	}

	/* ---- who uses it ---- */

	join(subscription) {
		this.subscriptions.add(subscription);
		const { answer } = this;
		this.ask();
		// As if it had been asked for: not before the caller has its handle.
		if (answer) queueMicrotask(() => this.answer && subscription.isActive && subscription.subscribed({ ...this.answer, document: undefined }, false));
	}

	leave(subscription) {
		this.subscriptions.delete(subscription);
		if (this.subscriptions.size) this.ask();
		else this.feeds.drop(this);
	}

	#any(test) {
		for (const subscription of this.subscriptions) if (test(subscription)) return true;
		return false;
	}

	#wanted() {
		const modes = new Set([...this.subscriptions].map(one => one.returnMode));
		return { returnMode: modes.size === 1 ? [...modes][0] : 'both', presence: this.#any(one => one.wantsPresence) };
	}

	/* ---- asking ---- */

	// After a new connection nothing holds any more.
	reset() {
		clearTimeout(this.#timer);
		this.answer = undefined;
		this.#asked = undefined;
		this.#asking = this.#again = this.#force = this.isResuming = false;
	}

	ask({ force = false } = {}) {
		if (!this.feeds.connection.isOpen || !this.subscriptions.size) return;
		if (this.#asking) {
			this.#again = true;
			this.#force ||= force;
			return;
		}
		const wanted = this.#wanted(), asked = this.#asked;
		if (!force && !this.#force && asked && asked.returnMode === wanted.returnMode && asked.presence === wanted.presence) return;
		this.#force = false;
		this.#asked = wanted;
		this.#subscribe(wanted);
	}

	#resume() {
		if (!this.isNarrow) return this.position === undefined ? {} : { after: this.position };
		if (!this.canSnapshot) return {};
		if (this.held?.createdAt !== undefined) return { since: this.held };
		return this.wasLive || this.#any(one => one.wantsSnapshot) ? { snapshot: true } : {};
	}

	#subscribe(wanted) {
		const { feeds, topic, documentId, documentPrefix } = this, { generation } = feeds, resume = this.#resume();
		this.#asking = true;
		// What the server then sends again, or reads, covers what comes until its answer.
		this.isResuming = Object.keys(resume).length > 0;
		feeds.connection
			.request({ type: 'subscribe', topic, documentId, documentPrefix, ...wanted, ...resume }, { lost: LOST.DROP, timeoutMs: 0, onAnswer: answer => this.#subscribed(answer) })
			.catch(error => generation === feeds.generation && this.#refused(error));
	}

	#subscribed({ outcome, position, document }) {
		if (!this.subscriptions.size) {
			// It was read all the same, and the server leaves out what that stands for.
			if (outcome === 'snapshot') this.feeds.covered(this, document);
			return;
		}
		const renewed = this.answer !== undefined, resumed = this.wasLive, before = this.held;
		this.#asking = this.isResuming = false;
		this.#refusals = 0;
		this.wasLive = true;
		this.#liveAt ??= Date.now();
		this.feeds.answered(position);
		if (!this.isNarrow) this.position = position;
		this.answer = { outcome, position, document };
		if (outcome === 'snapshot') this.held = document ? { createdAt: document.createdAt, revision: document.revision, updatedAt: document.updatedAt } : undefined;
		for (const one of this.#users()) one.subscribed(this.answer, resumed);
		this.feeds.surface('subscribed', { topic: this.topic, documentId: this.documentId, documentPrefix: this.documentPrefix, outcome, position, document, resumed });
		if (resumed) this.#surfaceGap({ document, before, renewed });
		if (outcome === 'snapshot') this.feeds.covered(this, document);
		if (!this.#again) return;
		this.#again = false;
		this.ask();
	}

	// What lies between could not be told event by event.
	#surfaceGap({ document, before, renewed }) {
		const { topic, service, documentId } = this;
		if (this.answer.outcome === 'snapshot') {
			if (document?.revision !== before?.revision || document?.updatedAt !== before?.updatedAt) this.#tell({ topic, service, documentId, reason: 'snapshot', document, recovering: false });
		} else if (this.isNarrow && this.service === '*' && !renewed) {
			this.#tell({ topic, documentId, reason: 'reconnect', recovering: false });
		}
	}

	#refused(error) {
		const { feeds } = this, { generation } = feeds;
		this.#asking = this.isResuming = this.#again = false;
		this.#asked = this.answer = undefined;
		if (!feeds.connection.isOpen || error.code === 'connection_lost') return; // reset() and the next connection do the rest
		if (error.status === 503 || error.status === 429) {
			const delayMs = backoffMs(RETRY_MIN_MS, RETRY_MAX_MS, this.#refusals++);
			this.#timer = setTimeout(() => generation === feeds.generation && this.ask(), delayMs);
			return;
		}
		this.fail(error);
	}

	// For good.
	fail(error) {
		for (const one of this.#users()) one.failed(error);
	}

	// Those who are still there when their turn comes.
	*#users() {
		for (const one of [...this.subscriptions]) if (this.subscriptions.has(one)) yield one;
	}

	/* ---- events ---- */

	matches(service, event, id) {
		if (this.service !== '*' && this.service !== service) return false;
		if (this.documentId !== undefined ? this.documentId !== id : this.documentPrefix !== undefined && !id.startsWith(this.documentPrefix)) return false;
		return event === PRESENCE || this.event === '*' || this.event === event;
	}

	// True: it was news.
	take(message, event) {
		const { payload, timestamp } = message, { service, documentId, revision, fromRevision } = payload, seen = { revision, fromRevision, updatedAt: timestamp };
		if (event === PRESENCE) return this.#deliverPresence(message);
		if (!this.answer || this.isResuming) return false;
		const fresh = this.isOfOneDocument ? this.#isNextOfDocument(seen) : this.#isNextOfTopic(service, documentId, seen);
		if (!fresh) return false;
		// One that a replay sends again says where the replay began, not where it is.
		if (!this.isNarrow && !this.feeds.isAnswered(message.position)) this.position = message.position;
		this.lastTimestamp = Math.max(this.lastTimestamp, timestamp);
		for (const one of this.#users()) one.take(message);
		return true;
	}

	#deliverPresence(message) {
		let delivered = false;
		for (const one of this.#users())
			if (one.wantsPresence) {
				one.take(message);
				delivered = true;
			}
		return delivered;
	}

	#isNextOfDocument(next) {
		const { held } = this, { revision, updatedAt } = next;
		if (!isNewer(next, held)) return false;
		if (this.#isBehindHole(next, held)) {
			this.recover('hole');
			return false;
		}
		// The time of the first revision is when the document was created, which resuming needs.
		this.held = { createdAt: revision === 1 ? updatedAt : held?.createdAt, revision, updatedAt };
		return true;
	}

	#isNextOfTopic(service, documentId, next) {
		const key = Revisions.key(service, documentId), held = this.seen.get(key);
		if (!isNewer(next, held)) return false;
		this.seen.set(key, next);
		if (this.#isBehindHole(next, held)) this.#tell({ topic: this.topic, service, documentId, reason: 'hole', recovering: false });
		return true;
	}

	// A document that begins anew begins at revision 1.
	#isBehindHole({ revision, fromRevision }, held) {
		if (!held || !this.seesAllRevisions) return false;
		return revision > held.revision ? (fromRevision ?? revision - 1) > held.revision : (fromRevision ?? revision - 1) > 0;
	}

	/* ---- resync ---- */

	#tell(resync) {
		for (const one of this.#users()) one.emit('resync', resync);
		this.feeds.surface('resync', resync);
	}

	// Was it at an older revision than this, or may it have been?
	hasMissed(document) {
		const { service, id, updatedAt } = document;
		if (!this.answer || this.isResuming || this.event === PRESENCE || !this.matches(service, this.event, id)) return false;
		const held = this.isOfOneDocument ? this.held : this.seen.get(Revisions.key(service, id));
		// One that was written before this began is none that it missed.
		return held ? isNewer(document, held) : updatedAt > (this.lastTimestamp || this.#liveAt - CLOCKS_MS);
	}

	// A document as it is now, instead of events of it that will not come.
	skipTo(document) {
		const { service, id: documentId, revision, createdAt, updatedAt } = document;
		if (this.isOfOneDocument) this.held = { createdAt, revision, updatedAt };
		else this.seen.set(Revisions.key(service, documentId), document);
		this.#tell({ topic: this.topic, service, documentId, reason: 'snapshot', document, recovering: false });
		if (this.isOfOneDocument) for (const one of this.#users()) one.skipTo(document);
	}

	// Is that notice of the server about this?
	isMeantBy({ topic, service, documentId, documentPrefix }) {
		const [, namedService, namedEvent] = topic.split('.');
		if (documentId !== undefined && this.documentId !== undefined && documentId !== this.documentId) return false;
		if (documentId !== undefined && this.documentPrefix !== undefined && !documentId.startsWith(this.documentPrefix)) return false;
		// Without a service it names one subscription, or all of them.
		if (service === undefined && topic !== ALL && namedEvent !== PRESENCE) return topic === this.topic && documentId === this.documentId && documentPrefix === this.documentPrefix;
		if (!overlap(this.service, namedService)) return false;
		return namedEvent === PRESENCE ? this.#any(one => one.wantsPresence) : overlap(this.event, namedEvent);
	}

	// The server could not send something.
	resync(message) {
		const { topic, documentId, reason } = message, wholeTopic = documentId === undefined, named = message.service ?? topic.split('.')[1];
		const isPresence = topic.endsWith(`.${PRESENCE}`) || this.event === PRESENCE;
		const recovering = !isPresence && (this.isNarrow ? this.canSnapshot : wholeTopic && OVERTAKEN.has(reason));
		if (!recovering && !isPresence) this.seen.forget(key => wholeTopic || Revisions.isOf(key, named, documentId));
		for (const one of this.#users()) if (!isPresence || one.wantsPresence) one.emit('resync', { ...message, recovering });
		if (recovering) this.recover(reason);
		return recovering;
	}

	// What is held leads nowhere: without it the whole document is read.
	renew(cause) {
		if (this.isResuming) return;
		this.held = undefined;
		this.#tell({ topic: this.topic, service: this.service, documentId: this.documentId, reason: 'misfit', recovering: true, cause });
		this.recover('misfit');
	}

	// Asks for what was missed. Who is too slow again and again is given more and more time.
	recover(reason) {
		const { feeds } = this, { generation } = feeds, delayMs = OVERTAKEN.has(reason) ? this.#pauseMs() : 0;
		if (reason === 'hole') this.#tell({ topic: this.topic, service: this.service, documentId: this.documentId, reason, recovering: true });
		this.isResuming = true; // what comes until then comes again
		clearTimeout(this.#timer);
		if (delayMs) this.#timer = setTimeout(() => generation === feeds.generation && this.ask({ force: true }), delayMs);
		else this.ask({ force: true });
	}

	#pauseMs() {
		const isCalm = now() - this.#recoveredAt > CALM_MS;
		this.#recoveredAt = now();
		this.#recoveries = isCalm ? 1 : this.#recoveries + 1;
		return isCalm ? 0 : backoffMs(PAUSE_MIN_MS, PAUSE_MAX_MS, this.#recoveries);
	}

	stop() {
		clearTimeout(this.#timer);
	}
}
