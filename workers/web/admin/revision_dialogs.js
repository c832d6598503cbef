// revision_dialogs.js: an old revision, two revisions side by side, going back to one, and deleting.
import { button, h, openDialog, skeleton, toast } from './dom.js';
import { copyButtons } from './copy.js';
import { differencesElement, differencesOf, summaryOf } from './differences.js';
import { formatTime, plural } from './format.js';
import { formatJsonAside } from './json_aside.js';
import { dataTextOf } from './json_format.js';
import { documentPath, request, requestText } from './session.js';
import { errorState } from './shell.js';
import { TextView } from './text_view.js';

const revisionPath = (service, id, revision) => `${documentPath(service, id)}?revision=${revision}`;

// A revision never changes: read once. Resolves to {envelope, dataText}.
async function readRevision({ service, id, revisions }, revision) {
	const held = revisions.get(revision);
	if (held) return held;
	const { text } = await requestText('GET', revisionPath(service, id, revision));
	const read = { envelope: JSON.parse(text), dataText: dataTextOf(text) };
	revisions.set(revision, read);
	if (revisions.size > 20) revisions.delete(revisions.keys().next().value);
	return read;
}

/* ---- one ---- */

export async function openRevision(context, revision) {
	const { service, id } = context,
		place = h('div', {}, skeleton(5));
	const copies = copyButtons(
		() => ({
			method: 'GET',
			path: revisionPath(service, id, revision),
			message: { type: 'sync.get', service, documentId: id, revision, id: 1 },
		}),
		`revision ${revision}`,
	);
	const dialog = openDialog({
		title: `Revision ${revision}`,
		wide: true,
		body: place,
		foot: [
			h('span', { class: 'start' }, copies),
			button('Compare …', () => (dialog.close(), openCompare(context, revision)), { icon: 'compare' }),
			button('Restore', () => (dialog.close(), restoreRevision(context, revision)), { icon: 'restore' }),
		],
	});
	try {
		const { envelope, dataText } = await readRevision(context, revision);
		const view = new TextView({ label: `Data of revision ${revision}` });
		place.replaceChildren(h('p', { class: 'muted' }, `As it was from ${formatTime(envelope.updatedAt)} on.`), view.element);
		view.text = await formatJsonAside(dataText);
	} catch (error) {
		place.replaceChildren(errorState(error));
	}
}

/* ---- two ---- */

function revisionSelect(id, label, entries, chosen, onchange) {
	const select = h(
		'select',
		{ id, onchange },
		entries.map(({ revision, op, at }, i) =>
			h(
				'option',
				{ value: revision, selected: revision === chosen },
				`#${revision} ${op ?? ''}${i === 0 ? ' (current)' : ''}, ${formatTime(at)}`,
			),
		),
	);
	return { select, element: h('div', { class: 'field' }, h('label', { for: id }, label), select) };
}

// `revision` against the current one; or, of the current one, against the one before it.
export function openCompare(context, revision) {
	const { entries } = context,
		newest = entries[0]?.revision;
	const place = h('div', { class: 'compare-place' }, skeleton(4));
	const to = revision === undefined || revision === newest ? newest : newest;
	const from = revision === undefined || revision === newest ? (entries[1]?.revision ?? newest) : revision;
	const left = revisionSelect('compare-from', 'From', entries, from, show),
		right = revisionSelect('compare-to', 'To', entries, to, show);
	let generation = 0;

	async function show() {
		const run = ++generation;
		try {
			const [one, other] = await Promise.all([
				readRevision(context, Number(left.select.value)),
				readRevision(context, Number(right.select.value)),
			]);
			if (run !== generation) return;
			const list = differencesOf(one.envelope.data, other.envelope.data);
			place.replaceChildren(
				h('p', { class: 'muted', role: 'status' }, summaryOf(list)),
				differencesElement(list, { empty: 'The data of both is the same.' }),
			);
		} catch (error) {
			if (run === generation) place.replaceChildren(errorState(error));
		}
	}
	openDialog({
		title: 'Compare two revisions',
		wide: true,
		body: [h('div', { class: 'columns-2' }, left.element, right.element), place],
	});
	show();
}

/* ---- going back, deleting ---- */

// Asks once more, then does it. run() → text of the toast.
function confirm({ title, body, action, kind = 'primary', copies, run }) {
	const fault = h('p', { class: 'fault', role: 'alert' });
	const done = button(action, perform, { kind, id: 'confirm' });
	const dialog = openDialog({
		title,
		body: [body, fault],
		foot: [h('span', { class: 'start' }, copies), button('Cancel', () => dialog.close()), done],
	});
	done.focus();

	async function perform() {
		done.disabled = true;
		try {
			toast(await run(), { kind: 'good' });
			dialog.close();
		} catch (error) {
			fault.textContent =
				error.code === 'revision_conflict'
					? `The document changed meanwhile, it is at revision ${error.body.currentRevision} now. Look at it, then decide again.`
					: `${error.message} (${error.code})`;
		} finally {
			done.disabled = false;
		}
	}
}

export function restoreRevision({ service, id, current }, revision) {
	const path = documentPath(service, id, '/restore'),
		expectedRevision = current().revision;
	const body = JSON.stringify({ revision, expectedRevision });
	confirm({
		title: `Restore revision ${revision}?`,
		body: h(
			'p',
			{},
			`The data of revision ${revision} becomes revision ${expectedRevision + 1}. Nothing is lost: what is current now stays in the history.`,
		),
		action: 'Restore',
		copies: copyButtons(
			() => ({
				method: 'POST',
				path,
				body,
				message: { type: 'sync.restore', service, documentId: id, revision, expectedRevision, id: 1 },
			}),
			'restore',
		),
		run: async () => {
			const envelope = await request('POST', path, { body });
			return `Revision ${revision} restored as ${envelope.revision}`;
		},
	});
}

export function deleteDocument({ service, id, current, viewers }) {
	const expectedRevision = current().revision,
		path = `${documentPath(service, id)}?expectedRevision=${expectedRevision}`,
		others = viewers();
	confirm({
		title: `Delete ${id}?`,
		body: [
			h('p', {}, 'Subscribers are told at once, and reading it answers 410. It can be restored as long as its history is kept.'),
			others > 0 &&
				h('p', { class: 'notice warn' }, `${plural(others, 'other user')} ${others === 1 ? 'is' : 'are'} at this document now.`),
		],
		action: 'Delete',
		kind: 'danger solid',
		copies: copyButtons(
			() => ({ method: 'DELETE', path, message: { type: 'sync.delete', service, documentId: id, expectedRevision, id: 1 } }),
			'delete',
		),
		run: async () => {
			await request('DELETE', path);
			return `${id} deleted`;
		},
	});
}
