// virtual_rows.js: a long list of rows of one height, of which only those in sight are in the page.
import { oncePerFrame } from './dom.js';

const OVERSCAN = 10; // rows above and below what is seen

export class VirtualRows {
	#elements = new Map(); // key → element in the page
	#count = 0;
	first = 0;
	last = 0; // behind the last one in the page

	// scroller: what scrolls. container: gets the rows. keyOf(i), create(i) → element, update(element, i), onRange(first, last).
	constructor({ scroller, container, rowHeight, spacer = 'div', keyOf = i => i, create, update = () => {}, onRange = () => {} }) {
		Object.assign(this, { scroller, container, rowHeight, keyOf, create, update, onRange });
		this.top = document.createElement(spacer);
		this.bottom = document.createElement(spacer);
		for (const each of [this.top, this.bottom]) {
			each.setAttribute('aria-hidden', 'true');
			each.className = 'spacer';
		}
		container.append(this.top, this.bottom);
		this.ask = oncePerFrame(() => this.render());
		scroller.addEventListener('scroll', this.ask, { passive: true });
		this.observer = new ResizeObserver(this.ask);
		this.observer.observe(scroller);
	}

	get count() {
		return this.#count;
	}

	setCount(count) {
		this.#count = count;
		this.ask();
	}

	elementAt(index) {
		return this.#elements.get(this.keyOf(index));
	}

	// So that all of it can be seen, below a head of `headHeight`.
	scrollTo(index, headHeight = 0) {
		const { scroller, rowHeight } = this,
			from = index * rowHeight,
			view = scroller.clientHeight - headHeight;
		if (from < scroller.scrollTop) scroller.scrollTop = from;
		else if (from + rowHeight > scroller.scrollTop + view) scroller.scrollTop = from + rowHeight - view;
		this.render();
	}

	render() {
		const { rowHeight, scroller } = this,
			inSight = Math.ceil(scroller.clientHeight / rowHeight);
		this.first = Math.min(this.#count, Math.max(0, Math.floor(scroller.scrollTop / rowHeight) - OVERSCAN));
		this.last = Math.min(this.#count, this.first + inSight + 2 * OVERSCAN);
		const wanted = new Set();
		for (let i = this.first; i < this.last; i++) wanted.add(this.keyOf(i));
		for (const [key, element] of this.#elements) {
			if (wanted.has(key)) continue;
			this.#elements.delete(key);
			element.remove();
		}
		this.#place();
		this.top.style.height = `${this.first * rowHeight}px`;
		this.bottom.style.height = `${(this.#count - this.last) * rowHeight}px`;
		this.onRange(this.first, this.last);
	}

	// Elements that are where they belong are not touched: they may have the focus.
	#place() {
		let next = this.top.nextSibling;
		for (let i = this.first; i < this.last; i++) {
			const key = this.keyOf(i);
			let element = this.#elements.get(key);
			if (!element) {
				element = this.create(i);
				this.#elements.set(key, element);
			}
			this.update(element, i);
			if (element === next) next = next.nextSibling;
			else this.container.insertBefore(element, next);
		}
	}

	stop() {
		this.observer.disconnect();
	}
}
