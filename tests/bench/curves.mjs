#!/usr/bin/env node
// curves.mjs: how cost grows: four charts and their figures under results/.
//
//     node tests/bench/curves.mjs [--quick] [--directory DIRECTORY] [chart…]     charts: subscribers size strangers load
//
// CPU per delivery against subscribers, writes a second against the size of the document, the cost of an event against subscriptions that do
// not match it, latency against the rate of writes.
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from './lib/build.mjs';
import { eventCost, openStrangers } from './lib/fanout_rows.mjs';
import { runLoad } from './lib/load.mjs';
import { cpuSeconds, describeMachine, isQuiet } from './lib/machine.mjs';
import { plot } from './lib/plot.mjs';
import { Floor, Nchan, Syncdoc, documentPath } from './lib/servers.mjs';
import { median } from './lib/statistics.mjs';

const FULL = { rounds: 3, deliveries: 150000, eventsLeast: 20, eventsMost: 3000, sizeSeconds: 2, events: 3000, loadSeconds: 4 },
	QUICK = { rounds: 1, deliveries: 20000, eventsLeast: 5, eventsMost: 500, sizeSeconds: 0.5, events: 500, loadSeconds: 1 };

async function several(rounds, measure) {
	const values = [];
	for (let round = 0; round < rounds; round++) values.push(await measure());
	return median(values);
}

/* ---- CPU per delivery against subscribers ---- */

const SUBSCRIBERS = [10, 30, 100, 300, 1000, 3000, 10000, 15000];

// One event at a time, so that each is a delivery of its own: under load they are joined, and cost a tenth.
async function deliveryCost(server, subscribers, { rounds, deliveries, eventsLeast, eventsMost }) {
	const count = Math.max(eventsLeast, Math.min(eventsMost, Math.round(deliveries / subscribers)));
	return several(rounds, async () => {
		const options = { ...server.fanout(), subscribers, publishers: 1, size: 128, count, oneByOne: true };
		const figures = await runLoad(options, () => cpuSeconds(server.pids));
		if (figures.missing) throw new Error(`${figures.missing} deliveries are missing`);
		return (figures.used * 1e6) / figures.delivered;
	});
}

async function bySubscribers(options) {
	const servers = { syncdoc: await Syncdoc.start(), 'bare send loop': await Floor.start('each'), nchan: await Nchan.start() };
	const series = [];
	try {
		await servers.syncdoc.prepare(1);
		for (const [name, server] of Object.entries(servers)) {
			if (!server) continue;
			const points = [];
			for (const subscribers of SUBSCRIBERS) points.push([subscribers, await deliveryCost(server, subscribers, options)]);
			series.push({ name, points });
		}
	} finally {
		for (const server of Object.values(servers)) await server?.stop();
	}
	return {
		title: 'CPU per delivery, one event of 128 B at a time',
		x: { title: 'subscribers', isLog: true },
		y: { title: 'µs of CPU per delivery (with Redis)', isLog: true },
		series,
	};
}

/* ---- writes against size ---- */

const SIZES = [100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000],
	WRITERS = 8;

async function bySize({ rounds, sizeSeconds }) {
	const server = await Syncdoc.start();
	const series = [
		{ name: 'replace', points: [] },
		{ name: 'merge of 30 B', points: [] },
	];
	try {
		for (const bytes of SIZES) {
			const rate = options =>
				several(rounds, async () => {
					const figures = await runLoad({ ...options, publishers: WRITERS, seconds: sizeSeconds });
					return figures.answered / figures.seconds;
				});
			series[0].points.push([bytes, await rate(server.writes('PUT', bytes))]);
			series[1].points.push([bytes, await rate({ port: server.port, method: 'PATCH', path: documentPath, body: '{"data":{"at_ns":"%T"}}' })]);
		}
	} finally {
		await server.stop();
	}
	return {
		title: `Writes a second, ${WRITERS} writers, each on a document of its own`,
		x: { title: 'bytes of the document', isLog: true },
		y: { title: 'writes/s', isLog: true },
		series,
	};
}

/* ---- event cost against what does not match ---- */

const STRANGERS = [0, 100, 1000, 10000, 100000];

async function byStrangers({ rounds, events }) {
	const points = [];
	for (const subscriptions of STRANGERS) {
		const server = await Syncdoc.start();
		const strangers = subscriptions ? await openStrangers(server, subscriptions) : null;
		try {
			await server.prepare(1);
			await eventCost(server, events); // the caches are warm
			points.push([subscriptions, await several(rounds, () => eventCost(server, events))]);
		} finally {
			await strangers?.close();
			await server.stop();
		}
	}
	return {
		title: 'A write and its one delivery, among subscriptions that do not match',
		x: { title: 'non-matching subscriptions', isLog: true },
		y: { title: 'µs of CPU of our processes' },
		series: [{ name: 'syncdoc', points }],
	};
}

/* ---- latency against load ---- */

const RATES = [100, 300, 1000, 2000, 4000, 6000, 8000],
	LISTENERS = 100;

async function byLoad({ loadSeconds }) {
	const server = await Syncdoc.start();
	const series = ['p50', 'p99', 'p99.9'].map(name => ({ name, points: [] }));
	try {
		await server.prepare(64);
		for (const rate of RATES) {
			const options = { ...server.fanout(), subscribers: LISTENERS, publishers: 64, size: 128, rate, count: Math.round(rate * loadSeconds) };
			const { deliveryMs, missing } = await runLoad(options);
			if (missing) throw new Error(`${missing} deliveries are missing`);
			series[0].points.push([rate, deliveryMs.p50]);
			series[1].points.push([rate, deliveryMs.p99]);
			series[2].points.push([rate, deliveryMs.p999]);
		}
	} finally {
		await server.stop();
	}
	return {
		title: `From when a write was due to its ${LISTENERS} subscribers`,
		x: { title: `writes/s (deliveries/s: × ${LISTENERS})`, isLog: true },
		y: { title: 'ms', isLog: true },
		series,
	};
}

/* ---- the run ---- */

const CHARTS = { subscribers: bySubscribers, size: bySize, strangers: byStrangers, load: byLoad };

const words = process.argv.slice(2);
let options = FULL,
	directory = path.join(ROOT, 'tests/bench/results');
const wanted = [];
while (words.length) {
	const word = words.shift();
	if (word === '--quick') options = QUICK;
	else if (word === '--directory' && words.length) directory = words.shift();
	else if (word in CHARTS) wanted.push(word);
	else {
		console.error(`curves.mjs: ${word}: unknown; [--quick] [--directory DIRECTORY] [${Object.keys(CHARTS).join('|')}]…`);
		process.exit(2);
	}
}
const machine = describeMachine();
const notes = [
	`${machine.date.slice(0, 10)}, ${machine.processor}, ${machine.cpus} CPUs, Linux ${machine.kernel.split('-')[0]}`,
	`1 worker and Redis on one CPU, clients on the other.${isQuiet() ? '' : ' NOT QUIET: other programs ran.'}`,
];
fs.mkdirSync(directory, { recursive: true });
for (const name of wanted.length ? wanted : Object.keys(CHARTS)) {
	const chart = await CHARTS[name](options);
	for (const { name: of, points } of chart.series) console.log(`${name}, ${of}: ${points.map(([x, y]) => `${x}: ${Number(y.toPrecision(3))}`).join('  ')}`);
	fs.writeFileSync(path.join(directory, `${name}.json`), `${JSON.stringify({ machine, ...chart }, null, '\t')}\n`);
	fs.writeFileSync(path.join(directory, `${name}.svg`), plot({ ...chart, notes }));
}
