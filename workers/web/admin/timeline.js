// timeline.js: the revisions of a document that are kept, newest first: what was done, when, by whom, and what it changed.
import { button, h, skeleton, soon } from './dom.js';
import { differencesElement, differencesOfDiff, summaryOf } from './differences.js';
import { agoElement, withoutTurns } from './format.js';
import { errorState } from './shell.js';

const PAGE = 50;
const FRESH = 20; // looked at again when something changed
const FRESH_MS = 300;

const OP_KINDS = {
	create: 'good',
	created: 'good',
	restore: 'accent',
	delete: 'bad',
	deleted: 'bad',
	expire: 'bad',
	expired: 'bad',
};

export class Timeline {
	entries = [];
	#token;
	#elements = new Map(); // 'revision at' → li
	#generation = 0;

	// actions: view(revision), restore(revision), compare(revision). onchange(): entries are others.
	constructor(realtime, { service, id, actions, onchange = () => {} }) {
		Object.assign(this, { realtime, service, id, actions, onchange });
		this.list = h('ol', { class: 'timeline' });
		this.more = button('Show older', () => this.#older(), { kind: 'compact', hidden: true });
		this.place = h('div', {});
		this.element = h('div', { class: 'timeline-box' }, this.place, this.list, h('div', { class: 'timeline-more' }, this.more));
		this.refreshSoon = soon(() => this.#fresh(), FRESH_MS);
	}

	#page(options) {
		return this.realtime.sync.history(this.service, this.id, options);
	}

	async load() {
		const generation = ++this.#generation;
		if (!this.entries.length) this.place.replaceChildren(skeleton(4));
		try {
			const { revisions, nextPageToken } = await this.#page({ pageSize: PAGE });
			if (generation !== this.#generation) return;
			this.entries = revisions;
			this.#token = nextPageToken;
			this.#show();
		} catch (error) {
			if (generation !== this.#generation) return;
			this.entries = [];
			this.#show();
			if (error.status === 404) this.place.replaceChildren(h('p', { class: 'muted card-body' }, 'No revisions.'));
			else this.place.replaceChildren(errorState(error, () => this.load()));
		}
	}

	// Something changed: what is newer than what is shown, joined with it.
	async #fresh() {
		const generation = this.#generation,
			newest = this.entries[0]?.revision ?? 0;
		try {
			const { revisions } = await this.#page({ pageSize: FRESH });
			if (generation !== this.#generation) return;
			const last = revisions.at(-1)?.revision ?? 0,
				known = this.entries[0];
			const joins = revisions.some(each => each.revision === newest && each.at === known?.at);
			// Too much has happened meanwhile, or it is another document now.
			if (!joins && (newest >= last || last > newest + 1)) {
				await this.load();
				return;
			}
			this.entries = [...revisions, ...this.entries.filter(each => each.revision < last)];
			this.#show();
		} catch (error) {
			if (generation === this.#generation && error.status === 404) await this.load();
			// else: the next change asks again
		}
	}

	async #older() {
		const generation = this.#generation;
		this.more.disabled = true;
		try {
			const { revisions, nextPageToken } = await this.#page({ pageSize: PAGE, pageToken: this.#token });
			if (generation !== this.#generation) return;
			const last = this.entries.at(-1)?.revision ?? Infinity;
			this.entries.push(...revisions.filter(each => each.revision < last));
			this.#token = nextPageToken;
			this.#show();
		} catch (error) {
			this.place.replaceChildren(errorState(error));
		} finally {
			this.more.disabled = false;
		}
	}

	#show() {
		this.place.replaceChildren();
		this.more.hidden = this.#token === undefined;
		const wanted = new Set(this.entries.map(entry => this.#keyOf(entry)));
		for (const [key, element] of this.#elements)
			if (!wanted.has(key)) {
				element.remove();
				this.#elements.delete(key);
			}
		let next = this.list.firstChild;
		for (const [i, entry] of this.entries.entries()) {
			const key = this.#keyOf(entry);
			let element = this.#elements.get(key);
			if (!element) this.#elements.set(key, (element = this.#make(entry)));
			element.classList.toggle('current', i === 0);
			if (element === next) next = next.nextSibling;
			else this.list.insertBefore(element, next);
		}
		this.onchange();
	}

	#keyOf({ revision, at }) {
		return `${revision} ${at}`;
	}

	#make({ revision, op, at, by, diff }) {
		const changes = diff ? differencesOfDiff(diff) : undefined,
			writer = by && withoutTurns(by);
		const box = h('div', { class: 'timeline-diff' });
		const details =
			changes &&
			changes.length > 0 &&
			h(
				'details',
				{
					// Made when it is looked at: there may be hundreds.
					ontoggle: event => event.target.open && !box.firstChild && box.append(differencesElement(changes)),
				},
				h('summary', {}, summaryOf(changes)),
				box,
			);
		return h(
			'li',
			{ 'data-revision': revision },
			h(
				'div',
				{ class: 'timeline-line' },
				h('strong', { class: 'number' }, `#${revision}`),
				h('span', { class: `badge ${OP_KINDS[op] ?? ''}` }, op ?? 'write'),
				h(
					'span',
					{ class: 'muted small timeline-when' },
					agoElement(at),
					writer && [' by ', h('span', { class: 'timeline-by', title: writer }, writer)],
				),
				h(
					'span',
					{ class: 'timeline-actions' },
					button('', () => this.actions.view(revision), {
						icon: 'eye',
						kind: 'plain compact',
						title: `View revision ${revision}`,
					}),
					button('', () => this.actions.compare(revision), {
						icon: 'compare',
						kind: 'plain compact',
						title: `Compare revision ${revision} with another one`,
					}),
					button('', () => this.actions.restore(revision), {
						icon: 'restore',
						kind: 'plain compact restore',
						title: `Restore revision ${revision}`,
					}),
				),
			),
			details || h('p', { class: 'muted small' }, changes ? 'no change of the data' : 'too large for its diff to be kept'),
		);
	}
}
