// dom.js: elements made in one line, icons, and what every page says aloud.

const SVG = 'http://www.w3.org/2000/svg';

function append(parent, children) {
	for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) parent.append(child);
}

function setAttribute(element, name, value) {
	if (value === null || value === undefined || value === false) return;
	if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
	else if (name === 'value' || name === 'checked' || name === 'disabled') element[name] = value;
	else element.setAttribute(name, value === true ? '' : value);
}

// h('a', {href: '/', class: 'x', onclick: f}, 'text', [more]); what is null, undefined or false is left out. Children are
// text or elements, never markup.
export function h(tag, attributes = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
	append(element, children);
	return element;
}

export function svg(tag, attributes = {}, ...children) {
	const element = document.createElementNS(SVG, tag);
	for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
	append(element, children);
	return element;
}

export const byId = id => document.getElementById(id);

const ICONS = {
	copy: 'M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z',
	check: 'M3 8.5l3.5 3.5L13 4.5',
	plus: 'M8 3v10M3 8h10',
	trash: 'M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.7 9h5.6l.7-9M6.8 7v4M9.2 7v4',
	restore: 'M3 8a5 5 0 1 0 1.6-3.7M3 2.5v3h3',
	eye: 'M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z',
	pen: 'M2.5 13.5l.6-3L10.5 3a1.7 1.7 0 0 1 2.5 2.500L5.5 12.900z',
	close: 'M4 4l8 8M12 4l-8 8',
	right: 'M6 3.500L10.5 8 6 12.5',
	sun: 'M8 10.800a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.600zM8 1v1.500M8 13.500V15M1 8h1.500M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1',
	moon: 'M13.5 9.500A6 6 0 0 1 6.5 2.500a6 6 0 1 0 7 7z',
	auto: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 2v12M8 5l4.5-.5M8 8h6M8 11l4.5.5',
	compare: 'M5 2.500v11M11 2.500v11M2.5 5L5 2.5 7.5 5M8.5 11l2.5 2.5 2.5-2.5',
	alert: 'M8 2.500l6 11H2zM8 6.500v3.500M8 11.800v.1',
	inbox: 'M2 9.500l2-6h8l2 6v4H2zM2 9.500h3.500l1 2h3l1-2H14',
	key: 'M10 6a3 3 0 1 1-2.9-3.900A3 3 0 0 1 10 6zM7 8l-.5 6M6.7 11.500h2M6.5 14h2.5',
	reload: 'M13 8a5 5 0 1 1-1.6-3.700M13 2.500v3h-3',
};

// Beside text, so never read aloud; alone in a button the button has the name.
export function icon(name) {
	return svg('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: ICONS[name] }));
}

// options: icon, kind ('primary danger …'), title, and any attribute. Without text the title is the name.
export function button(text, onclick, { icon: iconName, kind = '', title, ...attributes } = {}) {
	return h(
		'button',
		{
			type: 'button',
			class: `button ${kind}${text ? '' : ' square'}`,
			title,
			'aria-label': text ? undefined : title,
			onclick,
			...attributes,
		},
		iconName && icon(iconName),
		text,
	);
}

let lastAnnounced = 0;

// For screen readers. At most one a second, the newest counts: a busy document must not flood them.
export function announce(text) {
	const place = byId('announcer');
	clearTimeout(announce.timer);
	announce.timer = setTimeout(
		() => {
			lastAnnounced = Date.now();
			place.textContent = text;
		},
		Math.max(0, 1000 - (Date.now() - lastAnnounced)),
	);
}

const TOAST_MS = 6000;
const TOASTS_MAX = 4;

// action: {text, href} or {text, run}
export function toast(text, { kind = '', action } = {}) {
	const place = byId('toasts');
	const remove = () => element.remove();
	const element = h(
		'div',
		{ class: `toast ${kind}` },
		h('span', {}, text),
		action?.href && h('a', { href: action.href }, action.text),
		action?.run &&
			button(
				action.text,
				() => {
					remove();
					action.run();
				},
				{ kind: 'compact' },
			),
		button('', remove, { icon: 'close', title: 'Dismiss', kind: 'plain compact' }),
	);
	place.append(element);
	while (place.children.length > TOASTS_MAX) place.firstChild.remove();
	setTimeout(remove, TOAST_MS);
}

// What had the focus may be gone or disabled meanwhile; then the keyboard goes on from the page's content, not from its top.
export function focusOrMain(element) {
	element?.focus?.();
	if (document.activeElement === document.body || document.activeElement?.disabled) byId('main').focus();
}

// A modal dialog that goes away when it closes. foot: elements. Returns the dialog; Escape and the backdrop's button close.
export function openDialog({ title, body, foot = [], wide = false, onclose }) {
	const titleId = `dialog-${Math.random().toString(36).slice(2)}`;
	const dialog = h(
		'dialog',
		{ class: wide ? 'wide' : '', 'aria-labelledby': titleId },
		h(
			'div',
			{ class: 'dialog-head' },
			h('h2', { id: titleId }, title),
			button('', () => dialog.close(), { icon: 'close', title: 'Close', kind: 'plain' }),
		),
		h('div', { class: 'dialog-body' }, body),
		foot.length > 0 && h('div', { class: 'dialog-foot' }, foot),
	);
	const opener = document.activeElement;
	dialog.addEventListener('close', () => {
		dialog.remove();
		focusOrMain(opener);
		onclose?.();
	});
	document.body.append(dialog);
	dialog.showModal();
	return dialog;
}

export function emptyState(iconName, title, text, ...actions) {
	return h('div', { class: 'empty' }, icon(iconName), h('strong', {}, title), text && h('p', {}, text), actions);
}

export function skeleton(lines) {
	return h(
		'div',
		{ class: 'card-body skeletons', role: 'status' },
		h('span', { class: 'visually-hidden' }, 'Loading'),
		Array.from({ length: lines }, (_, i) => h('div', { class: `skeleton w${i % 3}` })),
		location.pathname !== '/status' && h('p', { class: 'late muted small' }, 'This takes long. ', h('a', { href: '/status' }, 'Status'), ' says how the server is.'),
	);
}

// Runs at most once a frame, however often it is asked for.
export function oncePerFrame(work) {
	let asked = false;
	return () => {
		if (asked) return;
		asked = true;
		requestAnimationFrame(() => {
			asked = false;
			work();
		});
	};
}

// Runs `work` `ms` after the first of several calls: not later, however long they go on.
export function soon(work, ms) {
	let timer;
	return () => {
		timer ??= setTimeout(() => {
			timer = undefined;
			work();
		}, ms);
	};
}
