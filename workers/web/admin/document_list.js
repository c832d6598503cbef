// document_list.js: the documents of one service as far as they have been loaded, kept in order by events.
import { soon } from './dom.js';

const PAGE = 200;
const HEADS_MS = 1000; // after events: at most that often the list is asked for what events do not tell
const HEADS = 100;

const EVENTS = new Set(['created', 'updated', 'deleted', 'expired']);

export class DocumentList {
	items = [];
	isEnd = false;
	isLoading = false;
	error = null;
	changed = new Map(); // id → when, of rows that events changed
	#byId = new Map();
	#token;
	#generation = 0;

	// query: {service, prefix, order, deleted}. onchange(inserted): rows put in above all others.
	constructor(realtime, query, onchange) {
		Object.assign(this, { realtime, query, onchange });
		this.#readHeadsSoon = soon(() => this.#readHeads(), HEADS_MS);
		this.subscription = realtime.subscribe({
			topic: `sync.${query.service}.*`,
			returnMode: 'diff',
			presence: false,
			documentPrefix: query.prefix || undefined,
		});
		this.subscription.on('event', message => this.#take(message));
		this.subscription.on('resync', () => this.reload());
	}

	#readHeadsSoon;

	close() {
		this.#generation++;
		this.subscription.unsubscribe();
	}

	/* ---- loading ---- */

	async #page(options) {
		const { service, prefix, order, deleted } = this.query;
		return this.realtime.sync.list(service, { order, prefix: prefix || undefined, deleted: deleted || undefined, ...options });
	}

	reload() {
		this.#generation++;
		this.isLoading = false;
		this.isEnd = false;
		this.error = null;
		this.#token = undefined;
		this.isFresh = true;
		return this.loadMore();
	}

	async loadMore() {
		if (this.isLoading || this.isEnd) return;
		const generation = this.#generation;
		this.isLoading = true;
		this.error = null;
		this.onchange(0);
		try {
			const { items, nextPageToken } = await this.#page({ pageSize: PAGE, pageToken: this.#token });
			if (generation !== this.#generation) return;
			if (this.isFresh) this.#clear();
			for (const item of items) this.#append(item);
			this.#token = nextPageToken;
			this.isEnd = nextPageToken === undefined;
		} catch (error) {
			if (generation !== this.#generation) return;
			this.error = error;
		}
		this.isLoading = false;
		this.onchange(0);
	}

	#clear() {
		this.isFresh = false;
		this.items = [];
		this.#byId.clear();
	}

	// What changed while paging stands higher up already.
	#append(item) {
		const held = this.#byId.get(item.id);
		if (held) {
			if (item.revision >= held.revision) Object.assign(held, item);
			return;
		}
		this.items.push(item);
		this.#byId.set(item.id, item);
	}

	// createdAt and expiresAt are not in events.
	async #readHeads() {
		const generation = this.#generation;
		try {
			const { items } = await this.#page({ pageSize: HEADS, order: 'updated' });
			if (generation !== this.#generation) return;
			for (const item of items) {
				const held = this.#byId.get(item.id);
				if (!held || item.revision < held.revision) continue;
				delete held.expiresAt;
				Object.assign(held, item);
			}
			this.onchange(0);
		} catch {
			// the next event asks again
		}
	}

	/* ---- events ---- */

	#take({ topic, timestamp, payload }) {
		const event = topic.slice(topic.lastIndexOf('.') + 1),
			{ documentId: id, revision } = payload;
		const held = this.#byId.get(id);
		if (
			!EVENTS.has(event) ||
			(this.query.prefix && !id.startsWith(this.query.prefix)) ||
			(held && held.revision >= revision && held.updatedAt >= timestamp)
		)
			return;
		const isGone = event === 'deleted' || event === 'expired';
		if (isGone && !this.query.deleted) {
			if (held) this.#remove(held);
			this.onchange(held ? -1 : 0);
			return;
		}
		const item = held ?? { service: payload.service, id, createdAt: event === 'created' ? timestamp : undefined };
		Object.assign(item, { revision, updatedAt: timestamp, deleted: isGone || undefined });
		this.changed.set(id, performance.now());
		const inserted = this.query.order === 'id' ? this.#insertById(item, held) : this.#insertFirst(item, held);
		this.#readHeadsSoon();
		this.onchange(inserted);
	}

	#remove(item) {
		this.items.splice(this.items.indexOf(item), 1);
		this.#byId.delete(item.id);
		this.changed.delete(item.id);
	}

	#insertFirst(item, held) {
		if (held) {
			if (this.items[0] === held) return 0;
			this.items.splice(this.items.indexOf(held), 1);
		}
		this.items.unshift(item);
		this.#byId.set(item.id, item);
		return held ? 0 : 1;
	}

	// Behind the last one that is loaded it comes with its page.
	#insertById(item, held) {
		if (held) return 0;
		let low = 0,
			high = this.items.length;
		while (low < high) {
			const middle = (low + high) >> 1;
			if (this.items[middle].id < item.id) low = middle + 1;
			else high = middle;
		}
		if (low === this.items.length && !this.isEnd) return 0;
		this.items.splice(low, 0, item);
		this.#byId.set(item.id, item);
		return 0;
	}
}
