// @ts-check
// Test reports of artifacts: totals of runs, and how often a test has failed.
import { number } from './format.js';

/** The sum of reports. */
export const sum = (reports) => reports.reduce((to, r) => ({
  passed: to.passed + r.passed, failed: to.failed + r.failed, skipped: to.skipped + r.skipped, duration_seconds: to.duration_seconds + r.duration_seconds,
}), { passed: 0, failed: 0, skipped: 0, duration_seconds: 0 });

/** "214 passed, 2 failed". */
export const outcomes = (r) => [`${number(r.passed)} passed`, r.failed > 0 && `${number(r.failed)} failed`, r.skipped > 0 && `${number(r.skipped)} skipped`].filter(Boolean).join(', ');

/** The runs of reports, newest first, each with its sum. */
export function byRun(artifacts) {
  const runs = Map.groupBy(artifacts, (a) => a.run_id);
  return [...runs].map(([id, of]) => ({ id, number: of[0].run_number, ...sum(of.map((a) => a.report)) })).sort((a, b) => b.number - a.number);
}

/**
 * The tests that have failed, those that fail in the last run of their job first, then by
 * how often: in how many of the runs in which their job has a report.
 */
export function failing(artifacts) {
  const jobs = new Map(); // the runs of a job, newest first
  const tests = new Map();
  for (const a of [...artifacts].sort((x, y) => y.run_number - x.run_number)) {
    const runs = jobs.get(a.job_key) ?? new Set();
    jobs.set(a.job_key, runs.add(a.run_id));
    for (const test of a.report.failures) {
      const key = JSON.stringify([a.job_key, test.suite, test.name]);
      const known = tests.get(key) ?? { key, ...test, job: a.job_key, last: a, runs: new Set() };
      known.runs.add(a.run_id);
      tests.set(key, known);
    }
  }
  return [...tests.values()].map((t) => {
    const of = jobs.get(t.job);
    return { ...t, failed: t.runs.size, of: of.size, now: t.runs.has([...of][0]) };
  }).sort((a, b) => Number(b.now) - Number(a.now) || b.failed - a.failed);
}
