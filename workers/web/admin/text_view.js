// text_view.js: JSON as text, line by line, of which only those in sight are in the page.
import { h } from './dom.js';
import { formatNumber, withoutTurns } from './format.js';
import { VirtualRows } from './virtual_rows.js';

const LINE_PX = 20;
const LINE_MAX = 2000; // characters shown of one line
const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d[\d.eE+-]*)|(true|false|null)|([^"\dtfn-]+|.)/g;

function coloured(line) {
	const parts = [];
	for (const [all, string, colon, number, word] of line.matchAll(TOKEN)) {
		if (string !== undefined)
			parts.push(h('span', { class: colon === undefined ? 'json-string' : 'json-name' }, string), colon ?? '');
		else if (number !== undefined) parts.push(h('span', { class: 'json-number' }, number));
		else if (word !== undefined) parts.push(h('span', { class: 'json-word' }, word));
		else parts.push(all);
	}
	return parts;
}

export class TextView {
	#lines = [];
	#version = 0;

	constructor({ label }) {
		this.content = h('div', { class: 'text-lines' });
		this.element = h('div', { class: 'text-view', role: 'region', 'aria-label': label, tabindex: '0' }, this.content);
		this.rows = new VirtualRows({
			scroller: this.element,
			container: this.content,
			rowHeight: LINE_PX,
			create: () => h('div', { class: 'text-line' }, h('span', { class: 'text-number', 'aria-hidden': 'true' }), h('code', {})),
			update: (row, i) => this.#update(row, i),
		});
	}

	get text() {
		return this.#lines.join('\n');
	}

	set text(text) {
		this.#lines = text.split('\n');
		this.#version++;
		const widest = this.#lines.reduce((most, line) => Math.max(most, Math.min(line.length, LINE_MAX)), 0);
		this.content.style.minWidth = `calc(${widest + 1}ch + 72px)`;
		this.rows.setCount(this.#lines.length);
	}

	#update(row, i) {
		if (row.version === this.#version) return;
		row.version = this.#version;
		const line = withoutTurns(this.#lines[i]);
		row.firstChild.textContent = String(i + 1);
		row.lastChild.replaceChildren(
			...(line.length > LINE_MAX
				? [line.slice(0, LINE_MAX), h('span', { class: 'badge' }, `${formatNumber(line.length - LINE_MAX)} more characters`)]
				: coloured(line)),
		);
	}

	stop() {
		this.rows.stop();
	}
}
