// inspect.js: the page /documents/inspect: one document, live.
import { announce, button, byId, emptyState, focusOrMain, h, skeleton, soon } from './dom.js';
import { copyButtons } from './copy.js';
import { openCreateDialog } from './create_dialog.js';
import { differencesOf, differencesOfDiff, summaryOf } from './differences.js';
import { Editor } from './editor.js';
import { agoElement, formatDuration, formatTime } from './format.js';
import { formatJsonAside } from './json_aside.js';
import { dataTextOf } from './json_format.js';
import { PresencePanel } from './presence_panel.js';
import { deleteDocument, openCompare, openRevision, restoreRevision } from './revision_dialogs.js';
import { ApiError, DOCUMENT_ID, checkService, documentPath, openRealtime, requestText } from './session.js';
import { errorState, startShell, watchConnection } from './shell.js';
import { TextView } from './text_view.js';
import { Timeline } from './timeline.js';
import { JsonTree } from './tree.js';

const HEAD_MS = 300; // after a change: when it expires is not in events
const TEXT_MS = 500;

const query = new URLSearchParams(location.search);
const service = query.get('service') ?? '',
	id = query.get('id') ?? '';
const main = byId('main');
let realtime, live;
let expiresAt;

/* ---- the head: what it is, at which revision, until when ---- */

const revisionBadge = h('span', { class: 'badge accent number', id: 'revision' });
const stateBadge = h('span', { class: 'badge bad', id: 'state', hidden: true });
const expiryBadge = h('span', { class: 'badge warn number', id: 'expiry', hidden: true });
const updated = h('span', { class: 'muted small', id: 'updated' });
const editButton = button('Edit', () => editor.open(), { icon: 'pen', id: 'edit' });
const deleteButton = button('Delete', () => deleteDocument(context), { icon: 'trash', kind: 'danger', id: 'delete' });

const head = h(
	'div',
	{ class: 'page-head inspect-head' },
	h(
		'nav',
		{ class: 'crumbs', 'aria-label': 'Place' },
		h('a', { href: `/documents?${new URLSearchParams({ service })}` }, service),
		h('span', { class: 'muted', 'aria-hidden': 'true' }, '/'),
	),
	h('h1', { class: 'mono' }, id),
	revisionBadge,
	stateBadge,
	expiryBadge,
	updated,
	h(
		'span',
		{ class: 'actions' },
		copyButtons(
			() => ({ method: 'GET', path: documentPath(service, id), message: { type: 'sync.get', service, documentId: id, id: 1 } }),
			'reading this document',
		),
		editButton,
		deleteButton,
	),
);

function showHead() {
	revisionBadge.textContent = `revision ${live.revision}`;
	updated.replaceChildren(...(live.updatedAt ? [live.deleted ? `${goneWord} ` : 'updated ', agoElement(live.updatedAt)] : []));
	stateBadge.hidden = !live.deleted;
	stateBadge.textContent = goneWord;
	const focused = document.activeElement;
	editButton.disabled = deleteButton.disabled = !live.exists;
	if (focused?.disabled) focusOrMain();
	editButton.hidden = deleteButton.hidden = revisionBadge.hidden = false;
	showExpiry();
}

function showExpiry() {
	expiryBadge.hidden = expiresAt === undefined || live.deleted;
	if (expiryBadge.hidden) return;
	const left = expiresAt - Date.now();
	expiryBadge.textContent = left > 0 ? `expires in ${formatDuration(left)}` : 'expires now';
	expiryBadge.title = formatTime(expiresAt);
	expiryBadge.classList.toggle('bad', left < 10000);
}

// The head of the envelope only: a list with one item.
async function readExpiry() {
	try {
		const { items } = await realtime.sync.list(service, { order: 'id', prefix: id, pageSize: 1 });
		expiresAt = items[0]?.id === id ? items[0].expiresAt : undefined;
		showExpiry();
	} catch {
		// the next change asks again
	}
}
const readExpirySoon = soon(readExpiry, HEAD_MS);

/* ---- data: tree and text ---- */

const tree = new JsonTree({ label: 'Data' });
const text = new TextView({ label: 'Data as text' });
const treePanel = h(
	'div',
	{ role: 'tabpanel', id: 'panel-tree', 'aria-labelledby': 'tab-tree', class: 'tree-box' },
	tree.element,
);
const textPanel = h('div', { role: 'tabpanel', id: 'panel-text', 'aria-labelledby': 'tab-text', hidden: true }, text.element);
const tabs = ['tree', 'text'].map((name, i) =>
	h(
		'button',
		{
			type: 'button',
			role: 'tab',
			id: `tab-${name}`,
			'aria-controls': `panel-${name}`,
			'aria-selected': String(i === 0),
			tabindex: i ? '-1' : '0',
			onclick: () => showTab(name),
		},
		i ? 'Text' : 'Tree',
	),
);
const treeTools = h(
	'span',
	{ class: 'actions' },
	button('Expand', () => tree.expandAll(), { kind: 'compact plain' }),
	button('Collapse', () => tree.collapseAll(), { kind: 'compact plain' }),
);
const lastChange = h('p', { class: 'muted small last-change', id: 'last-change', hidden: true });
const dataCard = h(
	'section',
	{ class: 'card data-card', 'aria-labelledby': 'data-title' },
	h(
		'div',
		{ class: 'card-head' },
		h('h2', { id: 'data-title' }, 'Data'),
		h('div', { class: 'segments', role: 'tablist', 'aria-label': 'How to show it', onkeydown: moveTab }, tabs),
		lastChange,
		treeTools,
	),
	treePanel,
	textPanel,
);

function showTab(name) {
	for (const tab of tabs) {
		const isChosen = tab.id === `tab-${name}`;
		tab.setAttribute('aria-selected', String(isChosen));
		tab.tabIndex = isChosen ? 0 : -1;
	}
	treePanel.hidden = treeTools.hidden = name !== 'tree';
	textPanel.hidden = name !== 'text';
	if (name === 'text') showText();
}

function moveTab(event) {
	if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
	const other = tabs.find(tab => tab.getAttribute('aria-selected') === 'false');
	other.focus();
	showTab(other.id.slice('tab-'.length));
}

// As the server has it: numbers with all their digits.
async function showText() {
	if (textPanel.hidden || !live.data) return;
	try {
		const { text: envelope } = await requestText('GET', `${documentPath(service, id)}?deleted=true`);
		text.text = await formatJsonAside(dataTextOf(envelope));
	} catch {
		text.text = JSON.stringify(live.data, null, 2);
	}
}
const showTextSoon = soon(showText, TEXT_MS);

/* ---- the parts beside it ---- */

const current = () => ({ revision: live.revision, updatedAt: live.updatedAt, data: live.data });
let timeline, presence, editor, parts;
const context = {
	service,
	id,
	current,
	revisions: new Map(),
	viewers: () =>
		new Set((presence.members ?? []).filter(member => member.connectionId !== realtime.connectionId).map(member => member.userId))
			.size,
	get entries() {
		return timeline.entries;
	},
};

function makeParts() {
	presence = new PresencePanel(realtime, { service, id });
	editor = new Editor({ service, id, current, onmode: mode => presence.setMode(mode), onclose: () => editButton.focus() });
	timeline = new Timeline(realtime, {
		service,
		id,
		actions: {
			view: revision => openRevision(context, revision),
			restore: revision => restoreRevision(context, revision),
			compare: revision => openCompare(context, revision),
		},
		onchange: () => {
			compareButton.disabled = timeline.entries.length < 2;
			if (timeline.entries[0]?.op?.startsWith('expire')) goneWord = 'expired';
			// Its answer may come behind the document's end.
			if (!parts.isConnected) return;
			showHead();
			showGone();
		},
	});
	const compareButton = button('Compare', () => openCompare(context), {
		kind: 'compact',
		icon: 'compare',
		id: 'compare',
		disabled: true,
	});
	const history = h(
		'section',
		{ class: 'card history-card', 'aria-labelledby': 'history-title' },
		h('div', { class: 'card-head' }, h('h2', { id: 'history-title' }, 'History'), h('span', { class: 'actions' }, compareButton)),
		timeline.element,
	);
	return h(
		'div',
		{ class: 'inspect-columns' },
		h('div', { class: 'column' }, notice, editor.element, dataCard),
		h('div', { class: 'column' }, presence.element, history),
	);
}

/* ---- living with it ---- */

const notice = h('div', { class: 'notice bad', role: 'status', hidden: true });

function showGone() {
	notice.hidden = !live.deleted;
	if (!live.deleted) return;
	const last = live.revision - 1,
		said = goneWord === 'expired' ? 'This document has expired.' : 'This document is deleted.',
		key = `${said} ${last}`;
	// Made anew only where it says something else: its button may be being pressed.
	if (key === showGone.shown) return;
	showGone.shown = key;
	notice.replaceChildren(
		h('strong', {}, said),
		h('span', {}, 'Below is what it was last.'),
		h(
			'span',
			{ class: 'actions' },
			last > 0 && button(`Restore revision ${last}`, () => restoreRevision(context, last), { icon: 'restore' }),
		),
	);
}
let goneWord = 'deleted';

function changed({ type, diff, data }) {
	const before = changed.data ?? {},
		changes = diff ? differencesOfDiff(diff) : differencesOf(before, data ?? {});
	changed.data = data;
	if (!live.data) {
		showMissing();
		return;
	}
	if (type === 'deleted' || type === 'expired') goneWord = type;
	// It had been purged, and is there again.
	if (!parts.isConnected) main.replaceChildren(head, parts);
	showHead();
	showGone();
	// Of a thousand changes the first tell enough; looking each up takes its time.
	tree.set(
		live.data,
		changes.slice(0, 200).map(each => each.path),
	);
	const said = `Revision ${live.revision}: ${type === 'updated' ? summaryOf(changes) : type}`;
	lastChange.hidden = false;
	lastChange.textContent = said;
	announce(said);
	showTextSoon();
	readExpirySoon();
	timeline.refreshSoon();
	editor.documentChanged();
}

function showMissing() {
	main.replaceChildren(
		head,
		h(
			'div',
			{ class: 'card' },
			emptyState(
				'inbox',
				'There is no such document',
				['There is no ', h('code', {}, id), ' in ', h('code', {}, service), ', and none was deleted lately. Should it appear, it shows here at once.'],
				button('Create it', () => openCreateDialog({ service, id, services: [service], oncreated: () => {} }), {
					kind: 'primary',
					icon: 'plus',
				}),
			),
		),
	);
	hideTools();
}

// Of a document that is not there, or not yet.
function hideTools() {
	editButton.hidden = deleteButton.hidden = revisionBadge.hidden = true;
}

function showDocument() {
	parts = makeParts();
	main.replaceChildren(head, parts);
	changed.data = live.data;
	showHead();
	showGone();
	tree.set(live.data);
	readExpiry();
	timeline.load();
	presence.start();
	setInterval(showExpiry, 1000);
}

function take(change) {
	if (timeline) changed(change);
	else if (live.data) showDocument();
}

const browseLink = () => h('a', { class: 'button', href: '/documents' }, 'Browse documents');

async function start() {
	if (!service || !id) {
		main.replaceChildren(
			h('h1', { class: 'visually-hidden' }, 'A document'),
			h(
				'div',
				{ class: 'card' },
				emptyState(
					'inbox',
					'Which document?',
					'The address names none.',
					browseLink(),
				),
			),
		);
		return;
	}
	document.title = `${id} · ${service} · syncdoc`;
	main.replaceChildren(head, h('div', { class: 'card' }, skeleton(8)));
	hideTools();
	try {
		checkNames();
		realtime ??= await openRealtime();
		if (!byId('connection')) watchConnection(realtime);
		live = await realtime.document(service, id);
		live.on('changed', take);
		live.on('error', failed);
		if (live.data) showDocument();
		else showMissing();
	} catch (error) {
		failed(error);
	}
}

function checkNames() {
	checkService(service);
	if (!DOCUMENT_ID.test(id)) throw new ApiError(400, { code: 'invalid_name', detail: `“${id}” is no id of a document.` });
}

function failed(error) {
	head.querySelector('.copy-pair')?.toggleAttribute('hidden', error.status === 400);
	main.replaceChildren(head, h('div', { class: 'card' }, errorState(error, () => location.reload(), browseLink())));
	hideTools();
}

startShell();
start();
