// differences.js: what changed between two values, as a list for people; RFC 7396, to show what a merge will do.
import { h } from './dom.js';
import { formatNumber, formatValue, withoutTurns } from './format.js';

const SHOWN_MAX = 200;
const isObject = value => value !== null && typeof value === 'object' && !Array.isArray(value);
const escapeName = name => name.replace(/[\\.]/g, '\\$&');
const has = (object, name) => Object.prototype.hasOwnProperty.call(object, name);

// Paths as in DESIGN.md section 5: names joined by dots.
export const joinPath = (path, name) => (path === null ? escapeName(String(name)) : `${path}.${escapeName(String(name))}`);

export function splitPath(path) {
	const names = [''];
	for (let i = 0; i < path.length; i++) {
		if (path[i] === '\\') names[names.length - 1] += path[++i] ?? '';
		else if (path[i] === '.') names.push('');
		else names[names.length - 1] += path[i];
	}
	return names;
}

function walk(from, to, path, list) {
	if (from === to) return;
	const bothObjects = isObject(from) && isObject(to),
		bothArrays = Array.isArray(from) && Array.isArray(to);
	if (!bothObjects && !bothArrays) {
		if (path !== null) list.push({ kind: 'changed', path, from, to });
		return;
	}
	for (const name of Object.keys(from)) {
		if (!has(to, name)) list.push({ kind: 'removed', path: joinPath(path, name), from: from[name] });
		else walk(from[name], to[name], joinPath(path, name), list);
	}
	for (const name of Object.keys(to))
		if (!has(from, name)) list.push({ kind: 'added', path: joinPath(path, name), to: to[name] });
}

// [{kind: 'added' | 'removed' | 'changed', path, from?, to?}]
export function differencesOf(from, to) {
	const list = [];
	walk(from ?? {}, to ?? {}, null, list);
	return list;
}

// The diff of an event or a history entry, in the same form. `removed` is a list of paths, or, in the history, has the values.
export function differencesOfDiff(diff) {
	const removed = Array.isArray(diff.removed)
		? diff.removed.map(path => ({ kind: 'removed', path }))
		: Object.entries(diff.removed).map(([path, from]) => ({ kind: 'removed', path, from }));
	return [
		...Object.entries(diff.changed).map(([path, { from, to }]) => ({ kind: 'changed', path, from, to })),
		...Object.entries(diff.added).map(([path, to]) => ({ kind: 'added', path, to })),
		...removed,
	];
}

const SIGNS = { added: '+', removed: '−', changed: '~' };

function row({ kind, path, from, to }, marked) {
	return h(
		'li',
		{ class: `${kind}${marked ? ' both' : ''}` },
		h('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[kind]),
		h('span', { class: 'visually-hidden' }, `${kind} `),
		h('span', { class: 'path' }, path === '' ? '""' : withoutTurns(path)),
		kind === 'changed' && [h('del', {}, formatValue(from)), h('span', { class: 'muted', 'aria-label': 'became' }, '→')],
		kind === 'removed' && from !== undefined && h('del', {}, formatValue(from)),
		kind !== 'removed' && h('ins', {}, formatValue(to)),
		marked && h('span', { class: 'badge bad' }, 'you change this, too'),
	);
}

// marked(path): rows to single out.
export function differencesElement(list, { marked = () => false, empty = 'No difference.' } = {}) {
	if (!list.length) return h('p', { class: 'muted small' }, empty);
	return h(
		'ul',
		{ class: 'changes' },
		list.slice(0, SHOWN_MAX).map(each => row(each, marked(each.path))),
		list.length > SHOWN_MAX && h('li', { class: 'muted' }, `and ${formatNumber(list.length - SHOWN_MAX)} more`),
	);
}

export function summaryOf(list) {
	const count = kind => list.filter(each => each.kind === kind).length;
	const parts = [
		[count('added'), 'added'],
		[count('removed'), 'removed'],
		[count('changed'), 'changed'],
	].filter(([number]) => number);
	return parts.length ? parts.map(([number, word]) => `${formatNumber(number)} ${word}`).join(', ') : 'no change';
}

// Does a change at one path touch another one: the same, above or below?
export function pathsMeet(one, other) {
	return one === other || one.startsWith(`${other}.`) || other.startsWith(`${one}.`);
}

export function mergePatch(target, patch) {
	if (!isObject(patch)) return patch;
	const result = isObject(target) ? { ...target } : {};
	for (const [name, value] of Object.entries(patch)) {
		if (value === null) delete result[name];
		else
			Object.defineProperty(result, name, {
				value: mergePatch(result[name], value),
				enumerable: true,
				configurable: true,
				writable: true,
			});
	}
	return result;
}
