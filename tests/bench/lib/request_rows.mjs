// request_rows.mjs: rows 5, 6 and 8 of the table: REST over keep-alive connections, one request at a time on each.
import { runLoad } from './load.mjs';
import { scriptCost } from './script_cost.mjs';
import { Syncdoc, Webdis, documentPath } from './servers.mjs';
import { median, medianRatio, number, spread } from './statistics.mjs';

const CONNECTIONS = 50,
	BYTES = 1024,
	WRITERS = 32;

// Row 5.
export async function writeRow({ rounds, seconds, calls }) {
	const server = await Syncdoc.start();
	try {
		await server.prepare(CONNECTIONS);
		const put = () => runLoad({ ...server.writes('PUT', BYTES), publishers: CONNECTIONS, seconds }, server.cpu());
		await put(); // the histories are as long as they get
		const ours = [],
			script = [],
			rates = [];
		for (let round = 0; round < rounds; round++) {
			const figures = await put();
			ours.push((figures.used * 1e6) / figures.answered);
			rates.push(figures.answered / figures.seconds);
			script.push((await scriptCost(server, { bytes: BYTES, connections: CONNECTIONS, documents: CONNECTIONS, calls })).us);
		}
		return {
			what: '1 KB replace over REST: CPU of our processes per write ÷ redis-server per call of its script',
			value: medianRatio(ours, script),
			bar: 2,
			aim: 1.3,
			detail: `${number(median(ours))} µs (${spread(ours)}), ${number(median(rates))} writes/s with Redis on the same CPU; script ${number(median(script))} µs (${spread(script)})`,
		};
	} finally {
		await server.stop();
	}
}

// Row 6. Both read from the same Redis, on the same CPU; webdis the same bytes.
export async function readRow({ rounds, seconds }) {
	const server = await Syncdoc.start();
	let webdis;
	try {
		webdis = await Webdis.start(server.redis);
		await server.prepare(CONNECTIONS, { pad: 'x'.repeat(BYTES - 10) });
		const gets = { method: 'GET', publishers: CONNECTIONS, seconds };
		const rate = async options => {
			const figures = await runLoad({ ...gets, ...options }, server.cpu());
			return { perSecond: figures.answered / figures.seconds, us: (figures.used * 1e6) / figures.answered };
		};
		const ours = [],
			theirs = [];
		for (let round = 0; round < rounds; round++) {
			ours.push(await rate({ port: server.port, path: documentPath }));
			if (webdis) theirs.push((await rate({ port: webdis.port, path: '/GET/syncdoc:data:bench:d%i.raw' })).perSecond);
		}
		const what = `GET of a 1 KB document: requests/s ÷ webdis GET`;
		const perSecond = ours.map(one => one.perSecond);
		const detail = `${number(median(perSecond))}/s (${spread(perSecond)}), ${number(median(ours.map(one => one.us)))} µs of ours each`;
		if (!webdis) return { what, skipped: `webdis is not installed; ${detail}` };
		return { what, value: medianRatio(perSecond, theirs), bar: 1, aim: 1.5, isMore: true, detail: `${detail}; webdis ${number(median(theirs))}/s` };
	} finally {
		await webdis?.stop();
		await server.stop();
	}
}

// Row 8. runLoad() throws when one is refused.
export async function contentionRow({ rounds, seconds }) {
	const server = await Syncdoc.start();
	try {
		await server.prepare(WRITERS);
		const rate = async path => {
			const figures = await runLoad({ ...server.writes('PATCH', 200, path), publishers: WRITERS, seconds });
			return figures.answered / figures.seconds;
		};
		const one = [],
			many = [];
		for (let round = 0; round < rounds; round++) {
			one.push(await rate(documentPath.replace('%i', '0')));
			many.push(await rate(documentPath));
		}
		return {
			what: `${WRITERS} writers merging into one document: accepted writes ÷ the same on ${WRITERS} documents`,
			value: medianRatio(one, many),
			bar: 0.3,
			aim: 0.8,
			isMore: true,
			detail: `${number(median(one))}/s; ${WRITERS} documents ${number(median(many))}/s; none refused`,
		};
	} finally {
		await server.stop();
	}
}
