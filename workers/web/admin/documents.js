// documents.js: the page /documents: services, and the documents of one of them.
import { button, byId, emptyState, h, skeleton, soon, toast } from './dom.js';
import { copyButtons } from './copy.js';
import { openCreateDialog } from './create_dialog.js';
import { DocumentList } from './document_list.js';
import { DocumentTable, inspectAddress } from './document_table.js';
import { formatNumber } from './format.js';
import { DOCUMENT_ID, checkService, documentPath, openRealtime, request } from './session.js';
import { errorState, startShell, watchConnection } from './shell.js';

const SEARCH_MS = 250;
const COUNTS_MS = 1000;
const COUNTS_POLL_MS = 15000; // tokens that may not see all services get no events of them

let realtime, list;
let services = [];
let state = readAddress();

/* ---- the address says what is shown ---- */

function readAddress() {
	const query = new URLSearchParams(location.search);
	return {
		service: query.get('service') ?? undefined,
		prefix: query.get('prefix') ?? '',
		order: query.get('order') === 'id' ? 'id' : 'updated',
		deleted: query.get('deleted') === 'true',
	};
}

function addressOf({ service, prefix, order, deleted }) {
	const query = new URLSearchParams();
	if (service) query.set('service', service);
	if (prefix) query.set('prefix', prefix);
	if (order === 'id') query.set('order', 'id');
	if (deleted) query.set('deleted', 'true');
	const text = query.toString();
	return text ? `/documents?${text}` : '/documents';
}

function change(members, { push = false } = {}) {
	state = { ...state, ...members };
	history[push ? 'pushState' : 'replaceState'](null, '', addressOf(state));
	showState();
	openList();
}

/* ---- the parts of the page ---- */

const create = () =>
	openCreateDialog({ service: state.service, services: services.map(each => each.service), oncreated: created });

const search = h('input', {
	type: 'search',
	id: 'search',
	placeholder: 'Search by start of id',
	autocomplete: 'off',
	spellcheck: 'false',
	oninput: () => searchSoon(),
});
const searchSoon = soon(() => {
	const prefix = search.value.trim(),
		fine = prefix === '' || DOCUMENT_ID.test(prefix);
	search.setAttribute('aria-invalid', String(!fine));
	byId('search-fault').textContent = fine ? '' : 'Ids hold letters, digits and _ . : @ - only.';
	if (fine && prefix !== state.prefix) change({ prefix });
}, SEARCH_MS);
const order = h(
	'select',
	{ id: 'order', onchange: () => change({ order: order.value }) },
	h('option', { value: 'updated' }, 'Newest first'),
	h('option', { value: 'id' }, 'By id'),
);
const deleted = h('input', { type: 'checkbox', id: 'deleted', onchange: () => change({ deleted: deleted.checked }) });
const serviceList = h('ul', { class: 'services' });
const title = h('h1', {}, 'Documents');
const table = new DocumentTable({
	total: () => (state.prefix || state.deleted ? undefined : services.find(each => each.service === state.service)?.documents),
	onCreate: create,
	onClearSearch: () => {
		search.value = '';
		change({ prefix: '' });
		search.focus();
	},
});

function listOperation() {
	const { service, prefix, order: by, deleted: gone } = state;
	const query = new URLSearchParams();
	if (by === 'id') query.set('order', 'id');
	if (prefix) query.set('prefix', prefix);
	if (gone) query.set('deleted', 'true');
	const text = query.toString();
	return {
		method: 'GET',
		path: documentPath(service) + (text ? `?${text}` : ''),
		message: { type: 'sync.list', service, order: by, prefix: prefix || undefined, deleted: gone || undefined, id: 1 },
	};
}

const toolbar = h(
	'div',
	{ class: 'toolbar' },
	h('div', { class: 'toolbar-search' }, h('label', { for: 'search', class: 'visually-hidden' }, 'Search by start of id'), search),
	h('label', { for: 'order', class: 'visually-hidden' }, 'Order'),
	order,
	h('label', { class: 'check' }, deleted, 'Show deleted'),
	h('span', { class: 'actions' }, copyButtons(listOperation, 'this list')),
	h('p', { class: 'fault', id: 'search-fault', role: 'status' }),
);
const side = h(
	'nav',
	{ class: 'card services-card', 'aria-labelledby': 'services-title' },
	h('div', { class: 'card-head' }, h('h2', { id: 'services-title' }, 'Services')),
	serviceList,
);
const content = h('section', { class: 'card documents-card', 'aria-label': 'Documents of the service' }, toolbar, table.element);
const columns = h('div', { class: 'documents-columns' }, side, content);

function showState() {
	const { service, prefix } = state;
	title.textContent = service ?? 'Documents';
	document.title = `${service ?? 'Documents'} · syncdoc`;
	if (search.value.trim() !== prefix) search.value = prefix;
	order.value = state.order;
	deleted.checked = state.deleted;
	for (const link of serviceList.querySelectorAll('a')) {
		if (link.dataset.service === service) {
			link.setAttribute('aria-current', 'true');
			if (showState.inSight === service) continue;
			showState.inSight = service; // once: who has scrolled elsewhere since then stays there
			link.scrollIntoView({ block: 'nearest', inline: 'nearest' });
		} else {
			link.removeAttribute('aria-current');
		}
	}
}

/* ---- services ---- */

function serviceItem({ service, documents }) {
	return h(
		'li',
		{},
		h(
			'a',
			{
				href: addressOf({ service, order: 'updated' }),
				'data-service': service,
				'aria-current': service === state.service && 'true',
				onclick: event => {
					if (event.metaKey || event.ctrlKey || event.shiftKey) return;
					event.preventDefault();
					change({ service, prefix: '' }, { push: true });
				},
			},
			h('span', { class: 'service-name', title: service }, service),
			h('span', { class: 'badge number', 'aria-label': `${formatNumber(documents)} documents` }, formatNumber(documents)),
		),
	);
}

function showServices() {
	const key = JSON.stringify(services);
	if (key === showServices.shown) return;
	showServices.shown = key;
	const focused = document.activeElement?.dataset?.service;
	serviceList.replaceChildren(...services.map(serviceItem));
	if (focused) serviceList.querySelector(`[data-service="${CSS.escape(focused)}"]`)?.focus();
}

// In the order of their names: those that are written to often would jump.
async function readServices() {
	const { items } = await request('GET', '/v1/services');
	services = items.sort((a, b) => (a.service < b.service ? -1 : 1));
	showServices();
	const isEmpty = !services.length && !state.service;
	if (isEmpty) showNothingYet();
	else if (columns.parentNode === null) showColumns();
	if (!state.service && services.length) change({ service: services[0].service });
	if (list) table.changed(0);
}

const readServicesSoon = soon(() => readServices().catch(() => {}), COUNTS_MS);

function watchServices() {
	for (const event of ['created', 'deleted', 'expired']) {
		const subscription = realtime.subscribe({ topic: `sync.*.${event}`, returnMode: 'diff', presence: false });
		subscription.on('event', readServicesSoon);
		subscription.on('resync', readServicesSoon);
	}
	realtime.on('open', readServicesSoon);
	setInterval(() => document.hidden || readServicesSoon(), COUNTS_POLL_MS);
}

/* ---- documents ---- */

function openList() {
	list?.close();
	list = undefined;
	if (!state.service) return;
	list = new DocumentList(realtime, state, inserted => table.changed(inserted));
	table.setList(list);
	list.reload();
}

function created({ service, id }) {
	toast(`${id} created`, { kind: 'good', action: { text: 'Open', href: inspectAddress(service, id) } });
	if (service !== state.service) change({ service, prefix: '' }, { push: true });
}

/* ---- the page ---- */

const main = byId('main');
const head = h(
	'div',
	{ class: 'page-head' },
	title,
	h('span', { class: 'actions' }, button('Create document', create, { kind: 'primary', icon: 'plus', id: 'create' })),
);

function showColumns() {
	main.replaceChildren(head, columns);
	table.rows.ask();
}

function showNothingYet() {
	main.replaceChildren(
		head,
		h(
			'div',
			{ class: 'card' },
			emptyState(
				'inbox',
				'Nothing here yet',
				'Services appear with their first document: create one here, or with the REST interface.',
				button('Create a document', create, { kind: 'primary', icon: 'plus' }),
			),
		),
	);
}

async function start() {
	main.replaceChildren(head, h('div', { class: 'card' }, skeleton(8)));
	try {
		if (state.service) checkService(state.service);
		realtime ??= await openRealtime();
		if (!byId('connection')) {
			watchConnection(realtime);
			watchServices();
		}
		await readServices();
		if (columns.parentNode) {
			showState();
			if (!list) openList();
		}
	} catch (error) {
		main.replaceChildren(head, h('div', { class: 'card' }, errorState(error, start, h('a', { class: 'button', href: '/documents' }, 'Browse documents'))));
	}
}

addEventListener('popstate', () => {
	state = readAddress();
	showState();
	openList();
});
startShell();
start();
