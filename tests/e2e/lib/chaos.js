// chaos.js: a subscriber as an application would write it, that loses its connection at any moment and notes whatever is not explained.
import { isDeepStrictEqual } from 'node:util';
import WebSocket from 'ws';
import { ChaosSubscriber, SERVICE } from './chaos_subscriber.js';
import { applyDiff } from './diff.js';

const RETRY_MS = 400; // at most, with jitter

// held: id → {createdAt, revision, updatedAt, data, floor}
export class Subscriber extends ChaosSubscriber {
	constructor(options) {
		super('subscriber', options);
		this.url = options.url;
		this.position = undefined;
		this.lastId = 0;
	}

	start() {
		if (this.over) return;
		const socket = new WebSocket(`${this.url.replace(/^http/, 'ws')}/v1/realtime`, { perMessageDeflate: this.index % 8 === 0, handshakeTimeout: 5000 });
		this.socket = socket;
		this.live = new Set();
		this.joined = false;
		this.connectionId = undefined;
		socket.on('message', data => socket === this.socket && this.take(String(data)));
		socket.on('error', error => this.note(`socket: ${error.code ?? error.message}`));
		socket.on('close', code => socket === this.socket && this.lost(code));
	}

	lost(code) {
		this.socket = null;
		this.note(`closed ${code}`);
		this.countClose(code);
		setTimeout(() => this.start(), 20 + this.random.below(RETRY_MS));
	}

	send(message) {
		if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
	}

	// On this connection, a little later.
	again(work) {
		const { socket } = this;
		setTimeout(() => socket === this.socket && !this.over && work(), 50 + this.random.below(RETRY_MS));
	}

	subscribe(id) {
		const message = { type: 'subscribe', topic: `sync.${SERVICE}.*`, returnMode: this.mode, id: `subscribe ${id}` };
		const held = this.held.get(id);
		if (this.wide) {
			if (this.position) message.after = this.position;
			message.presence = false;
		} else {
			message.documentId = id;
			if (held) message.since = { createdAt: held.createdAt, revision: held.revision, updatedAt: held.updatedAt };
			else message.snapshot = true;
			if (this.index % 4) message.presence = false;
		}
		this.send(message);
	}

	join() {
		this.send({ type: 'presence.join', service: SERVICE, documentId: this.home, mode: 'viewing', id: 'join' });
	}

	read(id) {
		const waiting = this.stale.get(id) ?? { events: [] };
		waiting.asked = `get ${id} ${++this.lastId}`;
		this.stale.set(id, waiting);
		this.send({ type: 'sync.get', service: SERVICE, documentId: id, id: waiting.asked });
	}

	take(text) {
		try {
			this.takeMessage(JSON.parse(text));
		} catch (error) {
			this.fault(`${error.message}, at ${text.slice(0, 300)}`);
		}
	}

	takeMessage(message) {
		if (message.type !== 'event') this.note(JSON.stringify(message));
		switch (message.type) {
			case 'welcome':
				return this.begin(message);
			case 'subscribed':
				return this.takeSubscribed(message);
			case 'event':
				return this.takeEvent(message);
			case 'resync':
				return this.takeResync(message);
			case 'result':
				return this.takeResult(message);
			case 'goaway':
				this.tally.goaways++;
				return this.again(() => this.socket.close());
			case 'error':
				return this.takeError(message);
			default:
				return this.fault(`unexpected ${JSON.stringify(message)}`);
		}
	}

	begin({ connectionId }) {
		this.connectionId = connectionId;
		for (const waiting of this.stale.values()) waiting.asked = undefined;
		if (!this.wide) this.stale.clear(); // `since` covers what is not read yet
		for (const id of this.wide ? ['*'] : this.ids) this.subscribe(id);
		this.join();
	}

	takeSubscribed({ id: answer, outcome, position, document }) {
		const id = answer.slice('subscribe '.length);
		this.live.add(id);
		if (outcome === 'replayed') this.tally.replays++;
		if (this.wide) {
			const first = !this.position;
			this.position = position;
			for (const stale of first ? this.ids : this.stale.keys()) this.read(stale);
			return;
		}
		const held = this.held.get(id);
		if (outcome === 'snapshot') {
			if (held) this.tally.snapshots++; // instead of what it missed
			this.hold(id, document, 0);
		} else if (!held) {
			this.fault(`${id}: outcome ${outcome} where a snapshot was asked for`);
		}
	}

	hold(id, document, floor) {
		const held = this.held.get(id);
		if (!document) throw new Error(`${id}: no document`);
		if (held && document.revision < held.revision) {
			if (held.revision > held.floor) this.fault(`${id}: read revision ${document.revision} after ${held.revision}`);
			return; // an answer that a later one has overtaken
		}
		const { createdAt, revision, updatedAt, data } = document;
		this.see(id, revision, updatedAt, data.tag, this);
		this.held.set(id, { createdAt, revision, updatedAt, data, floor });
	}

	takeResult(message) {
		if (message.id === 'join') {
			this.joined = true;
			return;
		}
		const id = message.id.split(' ')[1], waiting = this.stale.get(id);
		if (waiting?.asked !== message.id) return; // a later resync asked again
		// The answer may overtake events: those up to its revision are known then.
		this.hold(id, message.document, message.document.revision);
		this.stale.delete(id);
		for (const event of waiting.events) this.apply(id, event);
	}

	takeError(message) {
		if (message.status !== 503) return this.fault(`refused: ${JSON.stringify(message)}`);
		this.tally.refusals++;
		const [kind, id] = message.id.split(' ');
		return this.again(() => {
			if (kind === 'subscribe') this.subscribe(id);
			else if (kind === 'join') this.join();
			else if (this.stale.get(id)?.asked === message.id) this.read(id);
		});
	}

	takeResync({ topic, documentId, reason }) {
		if (topic === 'sync.*.presence') {
			this.tally.presenceResyncs++;
			return;
		}
		this.tally.resyncs.set(reason, (this.tally.resyncs.get(reason) ?? 0) + 1);
		if (reason === 'rollback') this.fault(`resync rollback of ${documentId ?? topic}, but every write was on disk`);
		for (const id of documentId ? [documentId] : this.ids) if (this.held.has(id) || this.stale.has(id)) this.read(id);
	}

	takeEvent(message) {
		const { topic, payload, position } = message, id = payload.documentId;
		if (topic.endsWith('.presence')) {
			this.tally.presence++;
			return;
		}
		this.tally.events++;
		if (this.wide) this.position = position;
		else if (!this.live.has(id)) this.fault(`${id}: revision ${payload.revision} before its \`subscribed\``);
		const waiting = this.stale.get(id);
		if (waiting) waiting.events.push(message);
		else this.apply(id, message);
	}

	apply(id, { payload, timestamp }) {
		const held = this.held.get(id), { revision, fromRevision, diff } = payload;
		if (revision <= held.revision) {
			// Up to 250 ms of an `after` may repeat.
			if (!this.wide && revision > held.floor) this.fault(`${id}: revision ${revision} again or late, after ${held.revision}`);
			this.tally.repeats++;
			if (payload.data) this.see(id, revision, timestamp, payload.data.tag, this);
			return;
		}
		if (fromRevision !== undefined) this.tally.conflated++;
		if ((fromRevision ?? revision - 1) > held.revision)
			this.fault(`${id}: revision ${revision}${fromRevision === undefined ? '' : ` (from ${fromRevision})`} after ${held.revision}: a hole; ${this.log.join('; ')}`);
		const follows = revision === held.revision + 1;
		const data = payload.data ?? applyDiff(held.data, diff);
		if (payload.data && diff && follows && !isDeepStrictEqual(applyDiff(held.data, diff), data)) this.fault(`${id}: the diff of revision ${revision} does not lead to its data`);
		this.see(id, revision, timestamp, data.tag, this);
		this.held.set(id, { ...held, revision, updatedAt: timestamp, data });
	}

	// How users go: one says so, one closes, one is just gone.
	end() {
		this.over = true;
		const { socket } = this;
		this.socket = null;
		if (!socket) return;
		if (this.index % 3 === 0 && socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'presence.leave', service: SERVICE, documentId: this.home }));
		if (this.index % 3 === 2) socket.terminate();
		else socket.close();
	}
}
