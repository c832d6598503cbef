// status.js: the page /status: is all well, what is going on, worker by worker.
import { byId, h, icon, skeleton } from './dom.js';
import { Chart } from './chart.js';
import { formatBytes, formatCompact, formatNumber, formatTime, formatUptime } from './format.js';
import { Sample, Series, quantileOf, rateOf } from './metrics.js';
import { ApiError, openRealtime, request, requestText } from './session.js';
import { errorState, startShell, watchConnection } from './shell.js';

const LOOK_MS = 2000;
const KEPT = 91; // looks: three minutes

const milliseconds = seconds =>
	seconds >= 1 ? `${Number(seconds.toPrecision(2))} s` : `${Number((seconds * 1000).toPrecision(2))} ms`;

// value(before, after) → number, or undefined where it is not known.
const CHARTS = [
	{ title: 'WebSocket connections', format: formatCompact, least: 5, value: (_, now) => now.sum('connections') },
	{
		title: 'Events',
		unit: '/s',
		format: formatCompact,
		least: 5,
		hint: 'Events that came through the subscription of this host',
		value: (before, now) => rateOf(before, now, 'events_relayed_total'),
	},
	{
		title: 'Deliveries',
		unit: '/s',
		format: formatCompact,
		least: 5,
		hint: 'Events handed to connections, each counted once',
		value: (before, now) => rateOf(before, now, 'deliveries_total'),
	},
	{
		title: 'Delivery time, 99 %',
		format: milliseconds,
		least: 0.001,
		hint: 'From coming through the subscription to the last socket',
		value: (before, now) => (before ? quantileOf(before, now, 'delivery_seconds', 0.99) : undefined),
	},
	{
		title: 'Ring lag',
		format: formatBytes,
		least: 1024,
		hint: 'How far the slowest worker is behind the writer of the ring',
		value: (_, now) => now.max('ring_lag_bytes'),
	},
	{ title: 'Writes', unit: '/s', format: formatCompact, least: 5, value: (before, now) => rateOf(before, now, 'writes_total') },
	{
		title: 'HTTP requests',
		unit: '/s',
		format: formatCompact,
		least: 5,
		value: (before, now) => rateOf(before, now, 'requests_total'),
	},
	{
		title: 'Waiting for slow sockets',
		format: formatBytes,
		least: 1024,
		hint: 'Bytes queued for connections that do not take them',
		value: (_, now) => now.sum('queue_bytes'),
	},
];

const charts = CHARTS.map(each => ({ ...each, chart: new Chart(each), series: new Series(KEPT) }));
let last; // Sample
let timer;

/* ---- is all well? ---- */

const health = h('section', { class: 'card', 'aria-labelledby': 'health-title' });
const WORDS = {
	redis: 'Redis',
	subscription: 'Subscription',
	catchup: 'Catching up',
	marks: 'Marks',
	supervisor: 'Supervisor',
	draining: 'Draining',
	server: 'Server',
};

// Reasons are for administrators, and for clients on the server's own host.
const WITHOUT_REASON = 'why, a token with the right a shows';

// Servers before /readyz?verbose tell the conditions as members only.
const conditionsOf = ({ conditions, redis, subscription, draining }) =>
	conditions ?? [
		{ name: 'redis', ok: redis, reason: redis ? 'connected' : 'not connected' },
		{ name: 'subscription', ok: subscription, reason: subscription ? 'events flow' : 'not confirmed' },
		{ name: 'draining', ok: !draining, reason: draining ? 'this process sends its clients elsewhere' : 'takes new clients' },
	];

async function readHealth() {
	try {
		return await request('GET', '/readyz?verbose');
	} catch (error) {
		// 503 is an answer, too.
		if (error instanceof ApiError && error.status === 503 && error.body?.status) return error.body;
		throw error;
	}
}

function showHealth(readiness) {
	const isReady = readiness.status === 'ok',
		said = isReady ? 'ready' : 'not ready';
	const head = h(
		'div',
		{ class: 'card-head' },
		h('h2', { id: 'health-title' }, 'Health'),
		h('span', { class: `badge ${isReady ? 'good' : 'bad'}`, id: 'health', role: 'status' }, said),
	);
	const items = conditionsOf(readiness).map(({ name, ok, reason }) =>
		h(
			'li',
			{},
			h('span', { class: `dot ${ok ? 'good' : 'bad'}` }, icon(ok ? 'check' : 'alert')),
			h(
				'span',
				{ class: 'condition' },
				h('strong', {}, WORDS[name] ?? name),
				h('span', { class: 'visually-hidden' }, ok ? ' (fine): ' : ' (not fine): '),
				h('span', { class: 'muted small' }, reason ?? (ok ? '' : WITHOUT_REASON)),
			),
		),
	);
	health.replaceChildren(head, h('ul', { class: 'conditions' }, items));
}

/* ---- the host ---- */

const facts = h('dl', { class: 'facts' });
const version = h('span', { class: 'muted small', id: 'version' });

function factsOf(now) {
	const started = now.sum('start_time_seconds');
	return [
		['Running for', started && formatUptime(Date.now() - started * 1000), started && `since ${formatTime(started * 1000)}`],
		['Workers', now.sum('workers')],
		['Subscriptions', now.sum('subscriptions'), 'Of all WebSocket connections'],
		['Presence entries', now.sum('presence_entries')],
		['Ring', now.has('ring_size_bytes') && formatBytes(now.sum('ring_size_bytes'))],
		[
			'Embedded Redis',
			now.sum('embedded_redis_resident_memory_bytes') > 0 && formatBytes(now.sum('embedded_redis_resident_memory_bytes')),
		],
		[
			'Redis reconnects',
			now.sum('supervisor_redis_reconnects_total') === undefined
				? undefined
				: now.sum('supervisor_redis_reconnects_total') + (now.sum('redis_reconnects_total') ?? 0),
			'Since the start',
		],
		['Redis errors', now.sum('redis_errors_total'), 'Commands that failed or were not answered in time'],
		[
			'Worker restarts',
			now.sum('worker_exits_total', { reason: 'crashed' }) === undefined
				? undefined
				: now.sum('worker_exits_total', { reason: 'crashed' }) + (now.sum('worker_exits_total', { reason: 'killed' }) ?? 0),
			'Processes that crashed or were killed',
		],
	].filter(([, value]) => value !== undefined && value !== false);
}

function showFacts(now) {
	version.textContent = now.label('build_info', 'version') ? `syncdoc ${now.label('build_info', 'version')}` : '';
	facts.replaceChildren(
		...factsOf(now).map(([name, value, title]) =>
			h(
				'div',
				{ title },
				h('dt', {}, name),
				h('dd', { class: 'number' }, typeof value === 'number' ? formatNumber(value) : value),
			),
		),
	);
}

/* ---- workers ---- */

const WORKER_COLUMNS = [
	['Worker', ({ worker }) => worker],
	['State', ({ now, worker }) => stateOf(now, worker)],
	['Connections', ({ now, worker }) => formatNumber(now.sum('connections', { worker }) ?? 0)],
	['Subscriptions', ({ now, worker }) => formatNumber(now.sum('subscriptions', { worker }) ?? 0)],
	['Deliveries/s', ({ before, now, worker }) => rateText(rateOf(before, now, 'deliveries_total', { worker }))],
	['Requests/s', ({ before, now, worker }) => rateText(rateOf(before, now, 'requests_total', { worker }))],
	['Ring lag', ({ now, worker }) => formatBytes(now.sum('ring_lag_bytes', { worker }) ?? 0)],
	[
		'Up for',
		({ now, worker }) =>
			now.has('worker_uptime_seconds') ? formatUptime(now.sum('worker_uptime_seconds', { worker }) * 1000) : '–',
	],
];
const workerBody = h('tbody', {});
const workers = h(
	'section',
	{ class: 'card', 'aria-labelledby': 'workers-title' },
	h('div', { class: 'card-head' }, h('h2', { id: 'workers-title' }, 'Workers')),
	h(
		'div',
		{ class: 'worker-scroller', tabindex: '0', role: 'region', 'aria-label': 'Table of workers' },
		h(
			'table',
			{ class: 'workers' },
			h(
				'thead',
				{},
				h(
					'tr',
					{},
					WORKER_COLUMNS.map(([name]) => h('th', { scope: 'col' }, name)),
				),
			),
			workerBody,
		),
	),
);

const rateText = rate => (rate === undefined ? '–' : formatCompact(rate));

function stateOf(now, worker) {
	if (!now.has('worker_up')) return h('span', { class: 'badge' }, 'unknown');
	const isUp = now.sum('worker_up', { worker }) === 1,
		draining = now.sum('worker_draining_processes', { worker }) ?? 0;
	return [
		h('span', { class: `badge ${isUp ? 'good' : 'bad'}` }, isUp ? 'up' : 'down'),
		draining > 0 && h('span', { class: 'badge warn' }, `${draining} draining`),
	];
}

function showWorkers(before, now) {
	workerBody.replaceChildren(
		...now.workers().map(worker =>
			h(
				'tr',
				{},
				WORKER_COLUMNS.map(([, cell], i) =>
					i ? h('td', { class: i > 1 ? 'number' : '' }, cell({ before, now, worker })) : h('th', { scope: 'row' }, worker),
				),
			),
		),
	);
}

/* ---- looking ---- */

const metricsPlace = h('div', { class: 'metrics-place' });
const chartGrid = h(
	'section',
	{ class: 'charts', 'aria-label': 'Charts of the last three minutes' },
	charts.map(({ chart }) => chart.element),
);

function showNoMetrics(error) {
	const said =
		error.status === 404
			? 'This server has no /metrics: the charts need it. Health is shown above.'
			: error.status === 403
				? 'The charts come from /metrics, which needs a token with the right “a”.'
				: error.status
					? `/metrics could not be read: ${error.message}`
					: undefined; // the banner says that the server is away
	for (const { chart, series } of charts) {
		series.push(undefined);
		chart.draw(series.values);
	}
	last = undefined;
	if (said)
		metricsPlace.replaceChildren(h('div', { class: 'notice warn', id: 'no-metrics' }, icon('alert'), h('span', {}, said)));
}

function showMetrics(now) {
	for (const { chart, series, value } of charts) {
		series.push(value(last, now));
		chart.draw(series.values);
	}
	showFacts(now);
	showWorkers(last, now);
	last = now;
	if (!chartGrid.isConnected || !workers.isConnected) metricsPlace.replaceChildren(facts, chartGrid, workers);
}

async function readMetrics() {
	try {
		const { text } = await requestText('GET', '/metrics', { headers: { Accept: 'text/plain, application/problem+json' } });
		showMetrics(new Sample(text));
	} catch (error) {
		showNoMetrics(error);
	}
}

async function look() {
	clearTimeout(timer);
	if (!document.hidden) {
		try {
			showHealth(await readHealth());
		} catch (error) {
			showHealth({ status: 'unavailable', conditions: [{ name: 'server', ok: false, reason: error.message }] });
		}
		await readMetrics();
	}
	timer = setTimeout(look, LOOK_MS);
}

const main = byId('main');
const head = h(
	'div',
	{ class: 'page-head' },
	h('h1', {}, 'Status'),
	h('span', { class: 'muted small' }, `Refreshed every ${LOOK_MS / 1000} seconds; rates are of that time.`),
	version,
);

async function start() {
	main.replaceChildren(head, h('div', { class: 'card' }, skeleton(6)));
	try {
		const realtime = await openRealtime();
		watchConnection(realtime);
		main.replaceChildren(head, h('div', { class: 'status-columns' }, health, metricsPlace));
		await look();
	} catch (error) {
		main.replaceChildren(head, h('div', { class: 'card' }, errorState(error, start)));
	}
}

document.addEventListener('visibilitychange', () => document.hidden || (timer && look()));
startShell();
start();
