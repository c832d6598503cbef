// format.js: numbers and times for people.
import { h } from './dom.js';

const numberFormat = new Intl.NumberFormat('en');
const compactFormat = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const formatNumber = value => numberFormat.format(value);
export const plural = (count, one, many = `${one}s`) => `${formatNumber(count)} ${count === 1 ? one : many}`;

// 1234 → 1.2K; small ones with what matters of their fraction
export function formatCompact(value) {
	if (Math.abs(value) >= 10000) return compactFormat.format(value);
	return numberFormat.format(Math.abs(value) < 10 ? Math.round(value * 100) / 100 : Math.round(value * 10) / 10);
}

export function formatBytes(bytes) {
	const units = ['B', 'KiB', 'MiB', 'GiB'];
	let unit = 0;
	while (bytes >= 1024 && unit < units.length - 1) {
		bytes /= 1024;
		unit++;
	}
	return `${unit ? bytes.toFixed(bytes < 10 ? 1 : 0) : bytes} ${units[unit]}`;
}

const two = number => String(number).padStart(2, '0');

// Local time: 2026-11-23 06:04:59
export function formatTime(ms) {
	const date = new Date(ms);
	return (
		`${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ` +
		`${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
	);
}

// 59 s, 4:59, 3 h 05 min, 12 d
export function formatDuration(ms) {
	const seconds = Math.max(0, Math.ceil(ms / 1000));
	if (seconds < 60) return `${seconds} s`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
	if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`;
	return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

// As above, but said in full, where nothing counts down: 4 min 59 s
export function formatUptime(ms) {
	const seconds = Math.floor(ms / 1000);
	return seconds >= 60 && seconds < 3600 ? `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s` : formatDuration(ms);
}

export function formatAgo(ms, now = Date.now()) {
	const seconds = Math.max(0, Math.round((now - ms) / 1000));
	if (seconds < 5) return 'just now';
	if (seconds < 60) return `${seconds} s ago`;
	if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
	if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
	if (seconds < 86400 * 30) return `${Math.floor(seconds / 86400)} d ago`;
	return formatTime(ms).slice(0, 10);
}

// Kept current by the ticker below.
export function agoElement(ms) {
	return h('time', { datetime: new Date(ms).toISOString(), title: formatTime(ms), 'data-at': ms }, formatAgo(ms));
}

// Counts down, kept current likewise.
export function untilElement(ms, words) {
	const textOf = now => `${words} ${formatDuration(ms - now)}`;
	const element = h(
		'time',
		{ datetime: new Date(ms).toISOString(), title: formatTime(ms), 'data-until': ms },
		textOf(Date.now()),
	);
	element.textOf = textOf;
	return element;
}

function tick() {
	const now = Date.now();
	for (const element of document.querySelectorAll('time[data-at]')) {
		const text = formatAgo(Number(element.dataset.at), now);
		if (element.textContent !== text) element.textContent = text;
	}
	for (const element of document.querySelectorAll('time[data-until]')) element.textContent = element.textOf(now);
}

export const startTicker = () => setInterval(tick, 1000);

const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

// What turns the direction of writing would show the text, and what is beside it, as another one: it is named, as JSON may.
export const withoutTurns = text => text.replace(DIRECTIONS, mark => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`);

// A value on one line, for lists of differences.
export function formatValue(value, max = 120) {
	const text = value === undefined ? '—' : withoutTurns(JSON.stringify(value));
	return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}
