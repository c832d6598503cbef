// fanout_rows.mjs: rows 1 to 4 and 7 of the table: what reaches subscribers, and what idle ones cost.
import { Load, runLoad } from './load.mjs';
import { cpuSeconds } from './machine.mjs';
import { Floor, Nchan, SERVICE, Syncdoc } from './servers.mjs';
import { median, medianRatio, number, spread } from './statistics.mjs';

const SUBSCRIBERS = 1000,
	PAD = 128,
	WRITERS = 64,
	RATE = 100;

async function fanout(server, options) {
	const figures = await runLoad({ ...server.fanout(), subscribers: SUBSCRIBERS, size: PAD, ...options }, () => cpuSeconds(server.pids));
	if (figures.missing) throw new Error(`${server.constructor.name}: ${figures.missing} of ${figures.expected} deliveries are missing`);
	figures.cpuUs = (figures.used * 1e6) / figures.delivered;
	figures.perSecond = figures.delivered / figures.seconds;
	return figures;
}

// All servers in turn, so many rounds: {name: [figures…]}. Those that are not there are null.
async function inTurn(servers, rounds, options) {
	const figures = {};
	for (let round = 0; round < rounds; round++)
		for (const [name, server] of Object.entries(servers)) if (server) (figures[name] ??= []).push(await fanout(server, options(name)));
	return figures;
}

const of = (all, key) => all.map(one => (typeof key === 'function' ? key(one) : one[key]));

function pacedRows(figures) {
	const cpu = name => of(figures[name], 'cpuUs'),
		p99 = name => of(figures[name], one => one.deliveryMs.p99);
	const nchan = figures.nchan
		? `nchan ${number(median(cpu('nchan')))} µs, ${number(medianRatio(cpu('nchan'), cpu('floor')))}`
		: 'nchan is not installed';
	return [
		{
			what: `${SUBSCRIBERS} subscribers, ${RATE} updates/s, ${PAD} B: CPU per delivery ÷ bare send loop`,
			value: medianRatio(cpu('syncdoc'), cpu('floor')),
			bar: 1.25,
			aim: 1.1,
			detail: `${number(median(cpu('syncdoc')))} µs (${spread(cpu('syncdoc'))}) with Redis; bare ${number(median(cpu('floor')))} µs; ${nchan}`,
		},
		{
			what: 'the same: p99 latency ÷ bare send loop',
			value: medianRatio(p99('syncdoc'), p99('floor')),
			bar: 2,
			aim: 1.25,
			detail: `${number(median(p99('syncdoc')))} ms; bare ${number(median(p99('floor')))} ms${figures.nchan ? `; nchan ${number(median(p99('nchan')))} ms` : ''}`,
		},
	];
}

function busyRow(figures) {
	const rate = name => of(figures[name], 'perSecond');
	const what = `${SUBSCRIBERS} subscribers, ${WRITERS} writers back to back: deliveries/s ÷ nchan`;
	const floors = `${number(median(rate('syncdoc')))}/s; bare each ${number(median(rate('floor')))}/s, bare joined ${number(median(rate('joined')))}/s`;
	if (!figures.nchan) return { what, skipped: `nginx with nchan is not installed; ${floors}` };
	return { what, value: medianRatio(rate('syncdoc'), rate('nchan')), bar: 10, aim: 20, isMore: true, detail: `${floors}, nchan ${number(median(rate('nchan')))}/s` };
}

// Rows 1 to 3.
export async function fanoutRows({ rounds, pacedCount, busyCount }) {
	const servers = { floor: await Floor.start('each'), joined: await Floor.start('joined'), nchan: await Nchan.start(), syncdoc: await Syncdoc.start() };
	try {
		await servers.syncdoc.prepare(WRITERS);
		const { floor, nchan, syncdoc } = servers;
		const paced = await inTurn({ floor, nchan, syncdoc }, rounds, () => ({ publishers: 4, rate: RATE, count: pacedCount }));
		const slow = new Set(['floor', 'nchan']);
		const busy = await inTurn(servers, rounds, name => ({ publishers: WRITERS, count: slow.has(name) ? busyCount : busyCount * 4 }));
		return [...pacedRows(paced), busyRow(busy)];
	} finally {
		for (const server of Object.values(servers)) await server?.stop();
	}
}

// Row 4. The heap that HTTP needs for many handshakes is there with the first ones, and is no connection's.
export async function idleRow({ idle }) {
	const server = await Syncdoc.start();
	const { port, wsPath, subscribe, ready } = server.fanout();
	const loads = [];
	try {
		const more = async subscribers => loads.push(await Load.open({ port, wsPath, subscribe, ready, subscribers }));
		await more(2000);
		const before = server.memory(),
			cpuOf = server.cpu();
		await more(idle);
		const bytes = (server.memory() - before) / idle;
		const cpu = cpuOf();
		await new Promise(resolve => setTimeout(resolve, 2000)); // the time that is measured
		return {
			what: 'server memory per idle subscribed connection, bytes',
			value: bytes,
			bar: 1024,
			aim: 512,
			detail: `private bytes of all our processes, ${idle} more connections on top of 2000; with them ${number((cpuOf() - cpu) * 50)} % of a CPU`,
		};
	} finally {
		for (const load of loads) await load.close();
		await server.stop();
	}
}

// None of these matches an update of d0: another service, another document, a prefix, another event.
const STRANGERS = [
	'{"type":"subscribe","topic":"sync.other%j.updated"}',
	`{"type":"subscribe","topic":"sync.${SERVICE}.updated","documentId":"other-%i-%j"}`,
	`{"type":"subscribe","topic":"sync.${SERVICE}.updated","documentPrefix":"p%i-%j-"}`,
	`{"type":"subscribe","topic":"sync.${SERVICE}.deleted","documentId":"d%i-%j"}`,
];
const PER_CONNECTION = 500;

export async function openStrangers(server, subscriptions) {
	const { port, wsPath, ready } = server.fanout();
	const subscribers = Math.ceil(subscriptions / PER_CONNECTION);
	return Load.open({ port, wsPath, ready, subscribers, subscriptions: Math.ceil(subscriptions / subscribers), subscribe: STRANGERS });
}

// CPU of our processes for one write and its delivery to one subscriber, in µs.
export async function eventCost(server, count) {
	const figures = await runLoad({ ...server.fanout(), subscribers: 1, publishers: 1, size: PAD, count, oneByOne: true }, server.cpu());
	if (figures.missing) throw new Error(`${figures.missing} deliveries are missing`);
	return (figures.used * 1e6) / figures.delivered;
}

// Row 7.
export async function strangersRow({ rounds, events, subscriptions = 100000 }) {
	const alone = await Syncdoc.start(),
		crowded = await Syncdoc.start();
	let strangers;
	try {
		await alone.prepare(1);
		await crowded.prepare(1);
		strangers = await openStrangers(crowded, subscriptions);
		const costs = { alone: [], crowded: [] };
		for (let round = 0; round < rounds * 2; round++) {
			costs.alone.push(await eventCost(alone, events));
			costs.crowded.push(await eventCost(crowded, events));
		}
		return {
			what: `event cost with ${number(subscriptions)} non-matching subscriptions ÷ with none`,
			value: medianRatio(costs.crowded, costs.alone),
			bar: 1.1,
			aim: 1,
			detail: `CPU of our processes for a write and its one delivery: ${number(median(costs.crowded))} µs, alone ${number(median(costs.alone))} µs`,
		};
	} finally {
		await strangers?.close();
		await alone.stop();
		await crowded.stop();
	}
}
