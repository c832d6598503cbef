// document_table.js: a DocumentList as a table, of which only the rows in sight are in the page.
import { announce, button, emptyState, h, oncePerFrame, skeleton } from './dom.js';
import { agoElement, formatNumber, untilElement } from './format.js';
import { errorState } from './shell.js';
import { VirtualRows } from './virtual_rows.js';

const ROW_PX = 40,
	HEAD_PX = 36;
const NEAR_END = 60; // rows left below: the next page is loaded
const FLASH_MS = 2500;

export const inspectAddress = (service, id) => `/documents/inspect?${new URLSearchParams({ service, id })}`;

export class DocumentTable {
	#active = 0; // the row that Tab leads to

	// onCreate(): the button of the empty table.
	constructor({ total, onCreate, onClearSearch }) {
		Object.assign(this, { total, onCreate, onClearSearch });
		this.body = h('tbody', { onkeydown: event => this.#keydown(event) });
		this.table = h(
			'table',
			{ class: 'documents' },
			h('caption', { class: 'visually-hidden' }, 'Documents'),
			h(
				'thead',
				{},
				h(
					'tr',
					{},
					h('th', { scope: 'col', class: 'column-id' }, 'ID'),
					h('th', { scope: 'col', class: 'column-revision' }, 'Revision'),
					h('th', { scope: 'col', class: 'column-updated' }, 'Updated'),
					h('th', { scope: 'col', class: 'column-created' }, 'Created'),
					h('th', { scope: 'col', class: 'column-state' }, 'State'),
				),
			),
			this.body,
		);
		this.scroller = h('div', { class: 'table-scroller', role: 'region', 'aria-label': 'Documents', tabindex: '0' }, this.table);
		this.place = h('div', { class: 'table-place' });
		this.foot = h('div', { class: 'table-foot muted small' });
		this.element = h('div', { class: 'table-box' }, this.place, this.scroller, this.foot);
		this.rows = new VirtualRows({
			scroller: this.scroller,
			container: this.body,
			rowHeight: ROW_PX,
			spacer: 'tr',
			keyOf: i => this.list.items[i].id,
			create: i => this.#create(this.list.items[i]),
			update: (row, i) => this.#update(row, this.list.items[i], i),
			onRange: (_, last) => last > this.rows.count - NEAR_END && this.list && !this.list.error && this.list.loadMore(),
		});
		this.#showSoon = oncePerFrame(() => this.#show());
	}

	#showSoon;
	#inserted = 0;

	setList(list) {
		this.list = list;
		this.#active = 0;
		this.#inserted = 0;
		this.scroller.scrollTop = 0;
		this.rows.setCount(0);
		this.rows.render();
		this.#show();
	}

	changed(inserted) {
		this.#inserted += inserted;
		this.#showSoon();
	}

	#show() {
		const { list, scroller } = this,
			{ items, isLoading, error } = list;
		// What is read stays where it is when rows come in above it.
		if (this.#inserted && scroller.scrollTop > ROW_PX / 2 && list.query.order !== 'id')
			scroller.scrollTop += this.#inserted * ROW_PX;
		this.#inserted = 0;
		this.rows.setCount(items.length);
		this.table.setAttribute('aria-rowcount', list.isEnd ? items.length + 1 : -1);
		this.table.setAttribute('aria-busy', String(isLoading));
		const instead = items.length ? null : isLoading ? 'loading' : error ? 'error' : 'empty';
		this.scroller.hidden = instead !== null;
		this.place.hidden = instead === null;
		if (instead !== this.instead) this.#showInstead(instead);
		this.#showFoot();
	}

	#showInstead(instead) {
		const { list } = this;
		this.instead = instead;
		if (instead === null) this.place.replaceChildren();
		else if (instead === 'loading') this.place.replaceChildren(skeleton(8));
		else if (instead === 'error') this.place.replaceChildren(errorState(list.error, () => list.reload()));
		else if (list.query.prefix)
			this.place.replaceChildren(
				emptyState(
					'inbox',
					'Nothing begins with that',
					['No document of ', h('code', {}, list.query.service), ' has an id that begins with ', h('code', {}, list.query.prefix), '.'],
					button('Clear the search', this.onClearSearch),
				),
			);
		else
			this.place.replaceChildren(
				emptyState(
					'inbox',
					'No documents yet',
					['What is written to ', h('code', {}, list.query.service), ' appears here at once.'],
					button('Create a document', this.onCreate, { kind: 'primary', icon: 'plus' }),
				),
			);
	}

	#showFoot() {
		const { items, isLoading, isEnd, error } = this.list,
			total = this.total();
		const count = `${formatNumber(items.length)}${isEnd ? '' : total === undefined ? '+' : ` of ${formatNumber(total)}`} ${items.length === 1 && isEnd ? 'document' : 'documents'}`;
		this.foot.hidden = !items.length;
		this.foot.replaceChildren(
			h('span', { class: 'number' }, count),
			...(isLoading ? [h('span', {}, 'loading more …')] : []),
			...(error
				? [h('span', { class: 'fault' }, error.message), button('Try again', () => this.list.loadMore(), { kind: 'compact' })]
				: []),
		);
	}

	/* ---- rows ---- */

	#create({ service, id }) {
		const row = h(
			'tr',
			{},
			h('td', { class: 'column-id' }, h('a', { href: inspectAddress(service, id), title: id }, id)),
			h('td', { class: 'column-revision number' }),
			h('td', { class: 'column-updated' }),
			h('td', { class: 'column-created' }),
			h('td', { class: 'column-state' }),
		);
		row.shown = {};
		return row;
	}

	#update(row, item, i) {
		const [id, revision, updated, created, state] = row.cells,
			{ shown } = row;
		row.setAttribute('aria-rowindex', i + 2);
		id.firstChild.tabIndex = i === Math.min(this.#active, this.list.items.length - 1) ? 0 : -1;
		const key = `${item.revision} ${item.updatedAt} ${item.createdAt} ${item.expiresAt} ${item.deleted}`;
		if (shown.key !== key) {
			shown.key = key;
			row.classList.toggle('deleted', item.deleted === true);
			revision.textContent = formatNumber(item.revision);
			updated.replaceChildren(agoElement(item.updatedAt));
			created.replaceChildren(item.createdAt ? agoElement(item.createdAt) : '…');
			state.replaceChildren(...this.#stateOf(item));
		}
		this.#flash(row, item.id);
	}

	#stateOf({ deleted, expiresAt }) {
		if (deleted) return [h('span', { class: 'badge bad' }, 'deleted')];
		if (expiresAt) return [h('span', { class: 'badge warn' }, untilElement(expiresAt, 'expires in'))];
		return [h('span', { class: 'muted' }, 'live')];
	}

	#flash(row, id) {
		const at = this.list.changed.get(id);
		if (at === undefined || row.shown.flashed === at) return;
		row.shown.flashed = at;
		if (performance.now() - at > FLASH_MS) return;
		row.classList.remove('flash');
		void row.offsetWidth; // begins anew
		row.classList.add('flash');
		announce(`${id} changed`);
	}

	/* ---- keys ---- */

	#keydown(event) {
		const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
		const step = steps[event.key];
		if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
		event.preventDefault();
		const focused = event.target.closest('tr'),
			from = focused ? Number(focused.getAttribute('aria-rowindex')) - 2 : this.#active;
		this.#active = Math.max(0, Math.min(this.list.items.length - 1, from + step));
		this.rows.scrollTo(this.#active, HEAD_PX);
		this.rows.elementAt(this.#active)?.cells[0].firstChild.focus();
	}
}
