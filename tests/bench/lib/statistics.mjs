// statistics.mjs: what is made of figures from a machine that is not ours alone.

export function median(values) {
	const sorted = Float64Array.from(values).sort();
	const middle = sorted.length >> 1;
	return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// Ratios of figures that were taken one right after the other: what disturbs the machine for longer disturbs both.
export const medianRatio = (ours, theirs) => median(ours.map((value, i) => value / theirs[i]));

export const spread = values => `${Math.min(...values).toPrecision(3)}…${Math.max(...values).toPrecision(3)}`;

export function number(value) {
	if (!Number.isFinite(value)) return '–';
	if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
	return String(Number(value.toPrecision(3)));
}
