// chaos_client.js: a subscriber of chaos.mjs made of the JavaScript client: what the client tells an application must be enough to never be behind
// without knowing it.
import { isDeepStrictEqual } from 'node:util';
import WebSocket from 'ws';
import { Realtime, applyDiff } from '../../../workers/web/client/realtime.js';
import { ChaosSubscriber, SERVICE } from './chaos_subscriber.js';

// held: id → {revision, updatedAt, data}; only a wide one reads what is stale.
export class ClientSubscriber extends ChaosSubscriber {
	constructor(options) {
		super('client', options);
		const { index, url } = options;
		this.lastEvent = new Map(); // id → revision
		const subscriber = this;
		// For drop(): the socket of the moment.
		class Socket extends WebSocket {
			constructor(address, protocols) {
				super(address, protocols, { perMessageDeflate: index % 8 === 0 });
				subscriber.socket = this;
			}
		}
		this.realtime = new Realtime(url, { WebSocket: Socket, autoConnect: false, reconnectMaxMs: 400, connectTimeoutMs: 5000, messagesPerSecond: 100000, messagesBurst: 100000 });
	}

	get connectionId() {
		return this.realtime.state === 'open' ? this.realtime.connectionId : undefined;
	}

	start() {
		const { realtime } = this;
		realtime.on('state', state => this.note(JSON.stringify(state)));
		realtime.on('reconnecting', ({ code }) => this.countClose(code));
		realtime.on('closed', ({ error }) => this.over || this.fault(`closed for good: ${error}`));
		realtime.on('goaway', () => this.tally.goaways++);
		realtime.on('error', error => this.fault(`error: ${error.stack}`));
		realtime.on('resync', resync => this.countResync(resync));
		realtime.on('subscribed', ({ outcome, resumed, documentId }) => {
			this.note(`subscribed ${documentId ?? ''} ${outcome}`);
			if (resumed && outcome === 'replayed') this.tally.replays++;
			if (resumed && outcome === 'snapshot') this.tally.snapshots++;
		});
		realtime.on(`event:sync.${SERVICE}.*`, event => this.once(event));
		// Some are subscribed before there is a connection.
		if (this.index % 2) realtime.connect().catch(() => {});
		if (this.wide) this.followTopic();
		else for (const id of this.ids) this.followDocument(id);
		realtime.presence.join(SERVICE, this.home, { timeoutMs: 60000 }).then(
			() => (this.joined = true),
			error => this.over || this.fault(`join: ${error.stack}`),
		);
		if (!(this.index % 2)) realtime.connect().catch(() => {});
	}

	countResync({ topic, documentId, reason, recovering }) {
		this.note(`resync ${topic} ${documentId ?? ''} ${reason} ${recovering}`);
		if (topic === 'sync.*.presence') this.tally.presenceResyncs++;
		else this.tally.resyncs.set(reason, (this.tally.resyncs.get(reason) ?? 0) + 1);
		if (reason === 'rollback' || reason === 'hole') this.fault(`resync ${reason} of ${documentId ?? topic}; ${this.log.join('; ')}`);
	}

	// What an application that only has `on('event:…')` gets: each revision once, and in order.
	once({ topic, payload: { documentId, revision, fromRevision } }) {
		if (topic.endsWith('.presence')) {
			this.tally.presence++;
			return;
		}
		this.tally.events++;
		if (fromRevision !== undefined) this.tally.conflated++;
		if (revision <= this.lastEvent.get(documentId)) this.fault(`${documentId}: event ${revision} after ${this.lastEvent.get(documentId)}`);
		this.lastEvent.set(documentId, revision);
	}

	hold(id, { revision, updatedAt, data }) {
		if (this.held.get(id)?.revision > revision) this.fault(`${id}: back from revision ${this.held.get(id).revision} to ${revision}; ${this.log.join('; ')}`);
		this.see(id, revision, updatedAt, data.tag, this);
		this.held.set(id, { revision, updatedAt, data });
	}

	/* ---- documents that keep themselves current ---- */

	async followDocument(id) {
		try {
			const document = await this.realtime.document(SERVICE, id, { returnMode: this.mode, presence: this.index % 4 === 0 });
			this.hold(id, document);
			document.on('changed', change => this.changed(id, change));
			document.on('error', error => this.fault(`${id}: ${error.stack}`));
		} catch (error) {
			if (!this.over) this.fault(`${id}: ${error.stack}`);
		}
	}

	changed(id, { revision, updatedAt, data, diff, snapshot, payload }) {
		const held = this.held.get(id);
		if (!snapshot) {
			if ((payload.fromRevision ?? revision - 1) > held.revision) this.fault(`${id}: revision ${revision} after ${held.revision}; ${this.log.join('; ')}`);
			if (diff && revision === held.revision + 1 && !isDeepStrictEqual(applyDiff(held.data, diff), data)) this.fault(`${id}: the diff of ${revision} does not lead to its data`);
		}
		this.hold(id, { revision, updatedAt, data });
	}

	/* ---- a topic ---- */

	followTopic() {
		const subscription = this.realtime.subscribe({ topic: `sync.${SERVICE}.*`, returnMode: this.mode, presence: false });
		subscription.once('subscribed', () => this.ids.forEach(id => this.read(id)));
		subscription.on('event', message => this.takeEvent(message));
		subscription.on('resync', ({ documentId, recovering }) => {
			if (!recovering) for (const id of documentId ? [documentId] : this.ids) this.read(id);
		});
		subscription.on('error', error => this.fault(`subscription: ${error.stack}`));
	}

	async read(id) {
		const waiting = this.stale.get(id) ?? { events: [] }, asked = (waiting.asked = {});
		this.stale.set(id, waiting);
		try {
			const document = await this.realtime.sync.get(SERVICE, id);
			if (waiting.asked !== asked || this.stale.get(id) !== waiting) return;
			this.stale.delete(id);
			if (!(document.revision < this.held.get(id)?.revision)) this.hold(id, document);
			for (const event of waiting.events) this.apply(id, event);
		} catch (error) {
			if (this.over || waiting.asked !== asked) return;
			// Of a Redis that stands still.
			if (error.status !== 503 && error.code !== 'timeout') this.fault(`${id}: ${error.stack}`);
			this.tally.refusals++;
			setTimeout(() => !this.over && waiting.asked === asked && this.read(id), 100);
		}
	}

	takeEvent(message) {
		const id = message.payload.documentId, waiting = this.stale.get(id);
		if (waiting) waiting.events.push(message);
		else this.apply(id, message);
	}

	apply(id, { timestamp, payload: { revision, fromRevision, data, diff } }) {
		const held = this.held.get(id);
		if (revision <= held.revision) {
			this.tally.repeats++;
			return;
		}
		if ((fromRevision ?? revision - 1) > held.revision) this.fault(`${id}: revision ${revision} after ${held.revision}: a hole that nobody told of; ${this.log.join('; ')}`);
		this.hold(id, { revision, updatedAt: timestamp, data: data ?? applyDiff(held.data, diff) });
	}

	/* ---- what chaos.mjs asks for ---- */

	end() {
		this.over = true;
		if (this.index % 3 === 0 && this.realtime.state === 'open') this.realtime.presence.leave(SERVICE, this.home).catch(() => {});
		if (this.index % 3 === 2) this.socket?.terminate();
		this.realtime.close();
	}
}
