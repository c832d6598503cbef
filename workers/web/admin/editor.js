// editor.js: merges or replaces, as JSON by hand. What is sent is the text as it stands, so that numbers keep all their digits.
import { announce, button, h, soon, toast } from './dom.js';
import { copyButtons } from './copy.js';
import { differencesElement, differencesOf, mergePatch, pathsMeet, summaryOf } from './differences.js';
import { formatBytes } from './format.js';
import { JsonField } from './json_field.js';
import { formatJsonAside } from './json_aside.js';
import { compactJson, dataTextOf } from './json_format.js';
import { documentPath, request, requestText } from './session.js';

const MERGE_TEXT = '{\n  \n}';
const PREVIEW_MAX = 200000; // characters: above it every key would be felt
const LARGE = 128 << 10; // characters: more is put into a field only when it is asked for: browsers lay it out slowly
const FOLLOW_MS = 400;
const TTL_MAX_S = 31536000;

const MODES = {
	merge: {
		method: 'PATCH',
		type: 'sync.merge',
		label: 'Merge patch',
		hint: 'Only what is written here changes; null removes a member, arrays are replaced as a whole.',
	},
	replace: {
		method: 'PUT',
		type: 'sync.replace',
		label: 'All of the data',
		hint: 'What is not written here is gone afterwards.',
	},
};

export class Editor {
	mode = 'merge';
	isOpen = false;
	#isDirty = false;

	// current() → {revision, updatedAt, data} as the page knows it now. onmode('viewing' | 'editing'), onclose().
	constructor({ service, id, current, onmode, onclose }) {
		Object.assign(this, { service, id, current, onmode, onclose });
		this.field = new JsonField({ label: MODES.merge.label, text: MERGE_TEXT, rows: 9 });
		this.field.area.addEventListener('input', () => this.#dirty());
		this.field.onchange(() => this.#preview());
		this.tabs = Object.keys(MODES).map(mode =>
			h(
				'button',
				{ type: 'button', 'aria-pressed': String(mode === 'merge'), 'data-mode': mode, onclick: () => this.setMode(mode) },
				mode === 'merge' ? 'Merge' : 'Replace',
			),
		);
		this.hint = h('p', { class: 'muted small' }, MODES.merge.hint);
		this.meanwhile = h('div', { class: 'meanwhile', hidden: true });
		this.preview = h('div', { class: 'editor-preview' });
		this.offerPlace = h('div', { class: 'offer' });
		this.fault = h('p', { class: 'fault', role: 'alert' });
		this.expiry = h(
			'select',
			{ id: 'editor-expiry', onchange: () => this.#showSeconds() },
			h('option', { value: 'keep' }, 'Expiry: as it is'),
			h('option', { value: 'after' }, 'Expires after'),
			h('option', { value: 'never' }, 'Never expires'),
		);
		this.seconds = h('input', {
			type: 'number',
			id: 'editor-seconds',
			min: 1,
			max: TTL_MAX_S,
			step: 1,
			value: '3600',
			'aria-label': 'Seconds until it expires',
		});
		this.secondsBox = h('span', { class: 'editor-seconds', hidden: true }, this.seconds, ' seconds');
		this.guard = h('input', { type: 'checkbox', id: 'editor-guard', checked: true, onchange: () => this.#showMeanwhile() });
		this.guardText = h('span', {});
		this.send = button('Send', null, { kind: 'primary', type: 'submit', title: 'Send (Ctrl+Enter)' });
		this.form = h(
			'form',
			{ class: 'card-body form', novalidate: true, onsubmit: event => (event.preventDefault(), this.submit()) },
			this.meanwhile,
			this.offerPlace,
			this.field.element,
			this.hint,
			this.preview,
			h(
				'div',
				{ class: 'editor-options' },
				h('label', { class: 'visually-hidden', for: 'editor-expiry' }, 'Expiry'),
				this.expiry,
				this.secondsBox,
				h('label', { class: 'check' }, this.guard, this.guardText),
			),
			this.fault,
			h(
				'div',
				{ class: 'actions' },
				this.send,
				button('Cancel', () => this.close()),
				h('span', { class: 'push' }),
				copyButtons(() => this.#operation(), 'this change'),
			),
		);
		this.element = h(
			'section',
			{ class: 'card editor', 'aria-labelledby': 'editor-title', hidden: true },
			h(
				'div',
				{ class: 'card-head' },
				h('h2', { id: 'editor-title' }, 'Edit'),
				h('div', { class: 'segments', role: 'group', 'aria-label': 'How to write' }, this.tabs),
			),
			this.form,
		);
	}

	/* ---- opening ---- */

	open() {
		if (!this.isOpen) {
			this.isOpen = true;
			this.element.hidden = false;
			this.#begin();
			this.onmode('editing');
		}
		this.field.area.focus();
		this.element.scrollIntoView({ block: 'nearest' });
	}

	close() {
		if (!this.isOpen) return;
		this.isOpen = false;
		this.element.hidden = true;
		this.mode = 'merge';
		this.expiry.value = 'keep';
		this.guard.checked = this.secondsBox.hidden = true;
		this.onmode('viewing');
		this.onclose();
	}

	// Anew, on what the document is now.
	async #begin() {
		this.base = this.current();
		this.conflict = undefined;
		this.#isDirty = false;
		this.fault.textContent = '';
		this.offerPlace.replaceChildren();
		this.#showMode();
		this.#setReady(this.mode === 'merge');
		if (this.mode === 'merge') {
			this.field.text = MERGE_TEXT;
			this.field.area.setSelectionRange(4, 4);
		} else {
			await this.#loadWhole();
		}
		this.#showMeanwhile();
	}

	// Nothing can be sent before the field holds what it is about.
	#setReady(isReady) {
		this.field.area.disabled = this.send.disabled = !isReady;
		if (!isReady) this.field.text = '{}';
	}

	// As stored: what JSON.parse rounds must not come back rounded.
	async #loadWhole() {
		const begun = (this.loading = {});
		const isOld = () => begun !== this.loading || this.mode !== 'replace' || !this.isOpen || this.#isDirty;
		try {
			const { text } = await requestText('GET', documentPath(this.service, this.id));
			const { revision, updatedAt, data } = JSON.parse(text),
				dataText = dataTextOf(text);
			if (isOld()) return;
			const base = { revision, updatedAt, data };
			if (dataText.length <= LARGE) await this.#fill(base, dataText, isOld);
			else this.#offerLarge(base, dataText, isOld);
		} catch (error) {
			if (!isOld()) this.fault.textContent = `The document could not be read: ${error.message}`;
		}
	}

	// The text and what it is based on, together: a text of one revision must not be sent as if it were of another.
	async #fill(base, dataText, isOld) {
		const text = await formatJsonAside(dataText);
		if (isOld()) return;
		this.base = base;
		this.#setReady(true);
		this.field.text = text;
		this.field.area.setSelectionRange(0, 0);
	}

	#offerLarge(base, dataText, isOld) {
		const load = button(
			'Load it all the same',
			() => {
				offer.remove();
				this.#fill(base, dataText, isOld);
			},
			{ id: 'load-large' },
		);
		const offer = h(
			'div',
			{ class: 'notice warn' },
			h(
				'span',
				{},
				`This document has ${formatBytes(dataText.length)}: a field of that size makes the browser slow. A merge patch changes parts of it.`,
			),
			h('span', { class: 'actions' }, load),
		);
		this.offerPlace.replaceChildren(offer);
	}

	setMode(mode) {
		if (mode === this.mode) return;
		this.mode = mode;
		this.#begin();
	}

	#showMode() {
		const { label, hint } = MODES[this.mode];
		for (const tab of this.tabs) tab.setAttribute('aria-pressed', String(tab.dataset.mode === this.mode));
		this.field.element.querySelector('label').textContent = label;
		this.hint.textContent = hint;
	}

	#showSeconds() {
		this.secondsBox.hidden = this.expiry.value !== 'after';
		if (!this.secondsBox.hidden) this.seconds.focus();
	}

	#dirty() {
		this.#isDirty = true;
		this.fault.textContent = '';
	}

	/* ---- what it will do, and what happened meanwhile ---- */

	#ownChanges() {
		if (this.field.fault || this.field.text.length > PREVIEW_MAX) return undefined;
		const value = JSON.parse(this.field.text);
		return differencesOf(this.base.data, this.mode === 'merge' ? mergePatch(this.base.data, value) : value);
	}

	#preview() {
		if (!this.base) return;
		const changes = this.#ownChanges();
		this.preview.hidden = changes === undefined;
		if (changes)
			this.preview.replaceChildren(
				h('h3', { class: 'label' }, `What it changes: ${summaryOf(changes)}`),
				...(changes.length ? [differencesElement(changes)] : []),
			);
		this.#showMeanwhile();
	}

	// What nobody has touched follows the document; all of it is read each time, so not too often.
	#followSoon = soon(() => {
		if (this.isOpen && !this.isSending && !this.#isDirty && !this.conflict && this.mode === 'replace') this.#loadWhole();
	}, FOLLOW_MS);

	#follow() {
		if (this.mode === 'replace') {
			this.#followSoon();
			return;
		}
		this.base = this.current();
		this.#preview();
	}

	// The page has a newer revision.
	documentChanged() {
		if (!this.isOpen || this.isSending) return;
		if (!this.#isDirty && !this.conflict) this.#follow();
		else this.#showMeanwhile();
	}

	// What the refusal brought, unless the page has heard of something newer since.
	#newest() {
		if (!this.isOpen) return undefined;
		const now = this.current();
		return this.conflict && this.conflict.revision > now.revision ? this.conflict : now;
	}

	#showMeanwhile() {
		const { base, conflict } = this;
		this.guardText.textContent = `Only if it is still at revision ${base?.revision ?? ''}`;
		const now = this.#newest();
		const isBehind = now && (now.revision !== base.revision || now.updatedAt !== base.updatedAt);
		this.meanwhile.hidden = !isBehind;
		// Made anew only where it says something else: a button in it may have the focus.
		const said = isBehind && `${now.revision} ${base.revision} ${conflict !== undefined} ${this.mode} ${this.field.text}`;
		if (said === this.said) return;
		this.said = said;
		if (!isBehind) return;
		const focused = this.meanwhile.contains(document.activeElement);
		const others = differencesOf(base.data, now.data),
			own = this.#ownChanges() ?? [];
		const touched = path => own.some(each => pathsMeet(each.path, path));
		const both = others.filter(each => touched(each.path)).length;
		this.meanwhile.className = `meanwhile notice ${conflict ? 'bad' : 'warn'}`;
		this.meanwhile.replaceChildren(
			h('strong', {}, conflict ? `Not sent: the document changed meanwhile (409)` : 'The document changes while you edit'),
			h(
				'p',
				{ class: 'wide' },
				`You began at revision ${base.revision}, it is at ${now.revision} now. `,
				both ? `${both === 1 ? 'One change meets' : `${both} changes meet`} yours.` : 'None of it meets your changes.',
			),
			h('div', { class: 'wide' }, differencesElement(others, { marked: touched, empty: 'The data is the same.' })),
			h(
				'span',
				{ class: 'actions' },
				conflict &&
					button(`Send on top of revision ${now.revision}`, () => this.#rebase(now, true), { kind: 'primary', id: 'rebase' }),
				!conflict && button(`Go on from revision ${now.revision}`, () => this.#rebase(now, false)),
				button('Discard my text', () => this.#begin()),
				this.mode === 'replace' && h('span', { class: 'muted small' }, 'Replacing overwrites these changes.'),
			),
		);
		if (focused) this.meanwhile.querySelector('button').focus();
	}

	#rebase(now, send) {
		this.base = now;
		this.conflict = undefined;
		this.#preview();
		if (send) this.submit();
		else this.field.area.focus();
	}

	/* ---- sending ---- */

	// null: the text or the seconds are not valid.
	#operation() {
		const { method, type } = MODES[this.mode],
			members = [];
		if (!this.field.check()) return null;
		members.push(`"data":${compactJson(this.field.text)}`);
		if (this.guard.checked) members.push(`"expectedRevision":${this.base.revision}`);
		if (this.expiry.value === 'never') members.push('"ttl":null');
		if (this.expiry.value === 'after') {
			const seconds = Number(this.seconds.value);
			if (!Number.isInteger(seconds) || seconds < 1 || seconds > TTL_MAX_S) {
				this.fault.textContent = 'Seconds are whole, from 1 to a year.';
				return null;
			}
			members.push(`"ttl":${seconds}`);
		}
		const head = `"type":"${type}","service":${JSON.stringify(this.service)},"documentId":${JSON.stringify(this.id)}`;
		return {
			method,
			path: documentPath(this.service, this.id),
			body: `{${members.join(',')}}`,
			message: `{${head},${members.join(',')},"id":1}`,
		};
	}

	async submit() {
		const operation = this.#operation();
		if (!operation) {
			if (this.field.fault) this.field.goToFault();
			return;
		}
		this.fault.textContent = '';
		this.send.disabled = this.isSending = true;
		try {
			const envelope = await request(operation.method, operation.path, { body: operation.body });
			toast(`Revision ${envelope.revision} written`, { kind: 'good' });
			this.isSending = false;
			this.close();
		} catch (error) {
			this.isSending = false;
			this.#refused(error);
		} finally {
			this.isSending = false;
			this.send.disabled = this.field.area.disabled;
		}
	}

	#refused(error) {
		const document = error.body?.document;
		if (error.code === 'revision_conflict' && document) {
			this.conflict = { revision: document.revision, updatedAt: document.updatedAt, data: document.data };
			this.#showMeanwhile();
			this.meanwhile.querySelector('button')?.focus();
			announce('Not sent: the document changed meanwhile.');
			return;
		}
		this.fault.textContent =
			error.code === 'outcome_unknown' || error.status === 0
				? `${error.message} Whether it was written is not known: look at the history before you send again.`
				: `${error.message} (${error.code})`;
	}
}
