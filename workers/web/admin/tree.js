// tree.js: JSON as a tree whose branches are made when they are opened, and kept current without being made anew.
import { h, icon } from './dom.js';
import { splitPath } from './differences.js';
import { formatNumber, plural, withoutTurns } from './format.js';

const CHUNK = 100; // members shown of a branch before it asks
const OPEN_AT_FIRST = 120; // nodes
const OPEN_ALL = 2000;
const OPEN_IN_FRAME = 60;
const TEXT_MAX = 300;
const INTEGERS_END = 2 ** 64; // of the server; what is larger was written with a fraction or an exponent
const FLASH_MS = 4000;

const isBranch = value => value !== null && typeof value === 'object';
const kindOf = value => (Array.isArray(value) ? 'array' : isBranch(value) ? 'object' : 'leaf');
const sizeOf = value => (Array.isArray(value) ? value.length : Object.keys(value).length);
const namesOf = (value, count) =>
	Array.isArray(value)
		? Array.from({ length: Math.min(count, value.length) }, (_, i) => String(i))
		: Object.keys(value).slice(0, count);

function leafElement(value) {
	const text = withoutTurns(JSON.stringify(value)),
		kind = typeof value === 'string' ? 'string' : typeof value === 'number' ? 'number' : 'word';
	const isRounded = Number.isInteger(value) && !Number.isSafeInteger(value) && Math.abs(value) <= INTEGERS_END;
	return h(
		'span',
		{ class: `json-${kind}` },
		text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}… (${formatNumber(text.length)} characters)` : text,
		isRounded &&
			h('abbr', { class: 'badge warn', title: 'Browsers round integers this large; Text shows it exactly' }, 'rounded'),
	);
}

const branchWords = value =>
	Array.isArray(value) ? `[ ${plural(value.length, 'item')} ]` : `{ ${plural(sizeOf(value), 'member')} }`;

export class JsonTree {
	#root;
	#active; // row that Tab leads to
	#expansion; // under way

	constructor({ label }) {
		this.element = h('ul', {
			class: 'tree',
			role: 'tree',
			'aria-label': label,
			onclick: event => this.#click(event),
			onkeydown: event => this.#keydown(event),
		});
	}

	// Shows it; what was open stays open. changes: paths to highlight.
	set(value, changes = []) {
		if (!this.#root) {
			this.#root = { value, list: this.element, children: new Map(), shown: CHUNK, isOpen: true, level: 0 };
			this.#syncChildren(this.#root);
			this.#openSome(OPEN_AT_FIRST);
		} else {
			this.#root.value = value;
			this.#syncChildren(this.#root);
		}
		this.#settleActive();
		for (const path of changes) this.#flash(path);
	}

	// A piece in each frame, so that the page goes on answering; closing or another click ends it.
	expandAll() {
		const run = (this.#expansion = {});
		const queue = [...this.#root.children.values()];
		let left = OPEN_ALL;
		const more = () => {
			if (run !== this.#expansion) return;
			left -= this.#openNext(queue, Math.min(left, OPEN_IN_FRAME));
			if (queue.length && left > 0) requestAnimationFrame(more);
		};
		more();
	}

	collapseAll() {
		this.#expansion = undefined;
		for (const child of this.#root.children.values()) this.#setOpen(child, false);
		this.#settleActive();
	}

	// Breadth first, so that the top is complete before the depths are.
	#openSome(budget) {
		const queue = [...this.#root.children.values()];
		this.#openNext(queue, budget - queue.length);
	}

	// Opens until `budget` nodes were made, or the queue is empty. Returns how many.
	#openNext(queue, budget) {
		let made = 0;
		while (queue.length && made < budget) {
			const node = queue.shift();
			if (!isBranch(node.value)) continue;
			if (!node.isOpen) {
				if (made > 0 && made + Math.min(CHUNK, sizeOf(node.value)) > budget) {
					queue.unshift(node);
					break;
				}
				this.#setOpen(node, true);
				made += node.children.size;
			}
			queue.push(...node.children.values());
		}
		return made;
	}

	/* ---- nodes ---- */

	#make(parent, name, value) {
		const node = { parent, name, value: undefined, level: parent.level + 1, isOpen: false, children: new Map(), shown: CHUNK };
		node.row = h('div', { class: 'tree-row', role: 'treeitem', tabindex: '-1', 'aria-level': node.level });
		node.item = h('li', { role: 'none' }, node.row);
		node.row.node = node;
		this.#sync(node, value);
		return node;
	}

	#sync(node, value) {
		if (node.value === value && node.kind) return;
		const kind = kindOf(value),
			wasOpen = node.isOpen;
		if (node.kind !== kind && node.kind) this.#close(node);
		node.kind = kind;
		node.value = value;
		this.#drawRow(node);
		if (wasOpen && kind !== 'leaf') {
			if (node.isOpen) this.#syncChildren(node);
			else this.#setOpen(node, true);
		}
	}

	#drawRow(node) {
		const { name, value, kind, row } = node,
			isIndex = node.parent.kind === 'array';
		const label = h('span', { class: isIndex ? 'tree-index' : 'json-name' }, name === '' ? '""' : withoutTurns(name));
		const content = kind === 'leaf' ? leafElement(value) : h('span', { class: 'muted' }, branchWords(value));
		row.replaceChildren(
			kind === 'leaf' ? h('span', { class: 'tree-gap' }) : icon('right'),
			h('span', { class: 'tree-line' }, label, h('span', { class: 'tree-colon' }, ':'), h('wbr'), content),
		);
		if (kind === 'leaf') row.removeAttribute('aria-expanded');
		else row.setAttribute('aria-expanded', String(node.isOpen));
	}

	#syncChildren(node) {
		const { value, children, list } = node,
			names = namesOf(value, node.shown),
			total = sizeOf(value),
			wanted = new Set(names);
		for (const [name, child] of children)
			if (!wanted.has(name)) {
				child.item.remove();
				children.delete(name);
			}
		let next = list.firstChild;
		for (const name of names) {
			let child = children.get(name);
			if (child) this.#sync(child, value[name]);
			else children.set(name, (child = this.#make(node, name, value[name])));
			if (child.item === next) next = next.nextSibling;
			else list.insertBefore(child.item, next);
		}
		this.#syncMore(node, total - names.length);
	}

	#syncMore(node, hidden) {
		if (hidden <= 0) {
			node.more?.remove();
			node.more = undefined;
			return;
		}
		const text = `Show ${formatNumber(Math.min(hidden, CHUNK))} more of ${formatNumber(hidden)}`;
		if (!node.more) {
			node.more = h('li', { role: 'treeitem', tabindex: '-1', class: 'tree-more', 'aria-level': node.level + 1 });
			node.more.moreOf = node;
		}
		node.more.textContent = text;
		node.list.append(node.more);
	}

	#setOpen(node, open) {
		if (node.kind === 'leaf' || node.isOpen === open) return;
		if (open) {
			node.isOpen = true;
			node.list = h('ul', { role: 'none' });
			this.#syncChildren(node);
			node.item.append(node.list);
		} else {
			this.#close(node);
		}
		node.row.setAttribute('aria-expanded', String(open));
	}

	#close(node) {
		node.isOpen = false;
		node.list?.remove();
		node.list = node.more = undefined;
		node.shown = CHUNK;
		node.children.clear();
	}

	#showMore(node) {
		const before = node.more,
			first = node.children.size,
			hadFocus = document.activeElement === before;
		node.shown += CHUNK;
		this.#syncChildren(node);
		const child = [...node.children.values()][first];
		if (hadFocus && child) this.#activate(child.row);
	}

	/* ---- changes ---- */

	// The place itself, or the closed branch it is in; a removed member's place is its parent.
	#flash(path) {
		let node = this.#root;
		for (const name of splitPath(path)) {
			const child = node.children.get(name);
			if (!child) break;
			node = child;
		}
		if (!node.row) return;
		const { row } = node;
		row.classList.remove('flash');
		void row.offsetWidth; // begins anew
		row.classList.add('flash');
		clearTimeout(row.timer);
		row.timer = setTimeout(() => row.classList.remove('flash'), FLASH_MS);
	}

	/* ---- mouse and keys ---- */

	#items() {
		return [...this.element.querySelectorAll('[role="treeitem"]')];
	}

	#settleActive() {
		if (this.#active?.isConnected) return;
		this.#active = this.element.querySelector('[role="treeitem"]');
		if (this.#active) this.#active.tabIndex = 0;
	}

	#activate(item) {
		if (!item) return;
		if (this.#active) this.#active.tabIndex = -1;
		this.#active = item;
		item.tabIndex = 0;
		item.focus({ preventScroll: true });
		item.scrollIntoView({ block: 'nearest' });
	}

	#click(event) {
		const item = event.target.closest('[role="treeitem"]');
		if (!item) return;
		if (!getSelection().isCollapsed) return; // somebody marks text
		this.#activate(item);
		if (item.moreOf) this.#showMore(item.moreOf);
		else this.#setOpen(item.node, !item.node.isOpen);
	}

	#keydown(event) {
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const item = event.target.closest('[role="treeitem"]'),
			items = this.#items(),
			at = items.indexOf(item),
			{ node } = item ?? {};
		const actions = {
			ArrowDown: () => this.#activate(items[at + 1]),
			ArrowUp: () => this.#activate(items[at - 1]),
			Home: () => this.#activate(items[0]),
			End: () => this.#activate(items.at(-1)),
			ArrowRight: () => (node?.isOpen ? this.#activate(items[at + 1]) : node && this.#setOpen(node, true)),
			ArrowLeft: () => (node?.isOpen ? this.#setOpen(node, false) : this.#activate((node?.parent ?? item.moreOf).row)),
			Enter: () => (item.moreOf ? this.#showMore(item.moreOf) : this.#setOpen(node, !node.isOpen)),
			' ': () => actions.Enter(),
		};
		if (!item || !actions[event.key]) return;
		event.preventDefault();
		actions[event.key]();
	}
}
