// json_field.js: a field for JSON that says where it is wrong: line numbers, a mark at the place, and words.
import { button, h, oncePerFrame, soon } from './dom.js';
import { checkJsonObject } from './json_check.js';
import { formatJson } from './json_format.js';

const LINE_PX = 20; // as in controls.css: textarea
const PADDING_PX = 8;
const TAB = 2;
const CHECK_SOON_MS = 120,
	CHECK_LATER_MS = 600,
	LARGE = 200000;

const columnOf = (text, { offset, column }) => {
	const line = text.slice(offset - column + 1, offset);
	let width = 0;
	for (const character of line) width += character === '\t' ? TAB - (width % TAB) : 1;
	return width;
};

let count = 0;

export class JsonField {
	fault = null;
	#listeners = new Set();

	// label: text; rows: how high at first
	constructor({ label, text = '{}', rows = 10, actions = [] }) {
		const id = `json-${++count}`;
		this.area = h('textarea', {
			id,
			rows,
			spellcheck: 'false',
			autocapitalize: 'off',
			autocomplete: 'off',
			wrap: 'off',
			'aria-describedby': `${id}-fault`,
			oninput: () => this.#changed(),
			onscroll: () => this.#draw(),
			onkeydown: event => this.#keydown(event),
		});
		this.numbers = h('div', { class: 'json-numbers', 'aria-hidden': 'true' });
		this.mark = h('div', { class: 'json-mark', 'aria-hidden': 'true', hidden: true });
		this.faultText = h('span', { id: `${id}-fault`, role: 'status', 'aria-live': 'polite' });
		this.faultLine = h(
			'div',
			{ class: 'json-fault fault' },
			this.faultText,
			(this.goButton = button('Go there', () => this.goToFault(), { kind: 'compact', hidden: true })),
		);
		this.element = h(
			'div',
			{ class: 'field json-field' },
			h(
				'div',
				{ class: 'json-field-head' },
				h('label', { for: id, class: 'label' }, label),
				h(
					'span',
					{ class: 'actions' },
					actions,
					button('Format', () => this.format(), { kind: 'compact plain', title: 'Indent the JSON' }),
				),
			),
			h('div', { class: 'json-box' }, this.numbers, h('div', { class: 'json-area' }, this.area, this.mark)),
			this.faultLine,
		);
		this.#draw = oncePerFrame(() => this.#drawNow());
		this.#checkSoon = soon(() => this.check(), CHECK_SOON_MS);
		this.#checkLater = soon(() => this.check(), CHECK_LATER_MS);
		this.observer = new ResizeObserver(this.#draw);
		this.observer.observe(this.area);
		this.text = text;
	}

	#draw = () => {};
	#checkSoon;
	#checkLater;

	onchange(listener) {
		this.#listeners.add(listener);
	}

	get text() {
		return this.area.value;
	}

	set text(text) {
		this.area.value = text;
		this.check();
	}

	// null: not valid
	get value() {
		return this.check() ? JSON.parse(this.text) : null;
	}

	#changed() {
		if (this.text.length > LARGE) this.#checkLater();
		else this.#checkSoon();
		this.#draw();
	}

	check() {
		const { text } = this;
		this.fault = checkJsonObject(text);
		this.area.setAttribute('aria-invalid', String(this.fault !== null));
		const said = this.fault ? `Line ${this.fault.line}, column ${this.fault.column}: ${this.fault.message}` : '';
		if (this.faultText.textContent !== said) this.faultText.textContent = said;
		this.goButton.hidden = !this.fault;
		this.#draw();
		for (const listener of this.#listeners) listener();
		return this.fault === null;
	}

	goToFault() {
		const { offset } = this.fault ?? {};
		if (offset === undefined) return;
		this.area.focus();
		this.area.setSelectionRange(offset, Math.min(offset + 1, this.text.length));
		const top = (this.fault.line - 1) * LINE_PX;
		if (top < this.area.scrollTop || top > this.area.scrollTop + this.area.clientHeight - 2 * LINE_PX)
			this.area.scrollTop = Math.max(0, top - this.area.clientHeight / 2);
	}

	format() {
		if (this.check()) this.text = formatJson(this.text);
		else this.goToFault();
	}

	// Tab leaves the field, as everywhere; Ctrl+Enter sends the form around.
	#keydown(event) {
		if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
		event.preventDefault();
		this.area.closest('form')?.requestSubmit();
	}

	// Only the line numbers in sight.
	#drawNow() {
		const { area, fault } = this,
			first = Math.floor(Math.max(0, area.scrollTop - PADDING_PX) / LINE_PX);
		const lines = this.#lineCount(),
			seen = Math.ceil(area.clientHeight / LINE_PX) + 1;
		const rows = [];
		for (let line = first + 1; line <= Math.min(lines, first + seen); line++)
			rows.push(h('span', { class: fault?.line === line ? 'faulty' : '' }, String(line)));
		this.numbers.replaceChildren(...rows);
		this.numbers.style.paddingTop = `${PADDING_PX + first * LINE_PX - area.scrollTop}px`;
		this.mark.hidden = !fault;
		if (!fault) return;
		this.mark.style.top = `${PADDING_PX + (fault.line - 1) * LINE_PX - area.scrollTop + 2}px`;
		this.mark.style.left = `calc(${11 - area.scrollLeft}px + ${columnOf(this.text, fault)}ch)`;
	}

	#lineCount() {
		const { text } = this;
		if (text === this.countedText) return this.countedLines;
		let lines = 1;
		for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines++;
		this.countedText = text;
		this.countedLines = lines;
		return lines;
	}
}
