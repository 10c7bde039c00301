// @ts-check
// How an execution ended: a few words beside its state, and a sentence.
import { duration, plural } from '../lib/format.js';

/** The detail beside the state: the exit code, the signal, or the reason. */
export function outcome(e) {
  if (e.status === 'RUNNING' && e.cancel_requested_at) return 'cancelling';
  if (e.status === 'PENDING' && e.retry_of) return `attempt ${e.attempt}`;
  if (e.status === 'COMPLETED' || !e.reason) return '';
  if (e.reason === 'EXIT_CODE') return `exit ${e.exit_code}`;
  if (e.reason === 'SIGNAL') return e.signal;
  if (e.reason === e.status || e.reason === 'TIMEOUT') return '';
  return e.reason.toLowerCase().replaceAll('_', ' ');
}

const endings = {
  EXIT_CODE: (e) => `Failed with exit code ${e.exit_code}.`,
  SIGNAL: (e) => `Killed by ${e.signal}, which Hodei did not send.`,
  COMMAND_NOT_FOUND: () => 'Program not found or not executable.',
  START_FAILED: () => 'The worker could not start the command.',
  TIMEOUT: (e) => (e.timeout_seconds ? `Timed out after ${duration(e.timeout_seconds)}.` : 'Timed out.'),
  CANCELLED: (e) => (e.started_at ? 'Cancelled while running.' : 'Cancelled before it started.'),
  REJECTED: () => 'No worker was free, and queueing was disabled.',
  WORKER_LOST: () => 'Worker lost.',
  WORKER_TERMINATED: () => 'Worker terminated.',
  OUT_OF_MEMORY: () => 'Killed: out of memory.',
};

/** Why it ended as it did, as a sentence; '' if there is nothing to explain. */
export const ending = (e) => (e.completed_at && e.status !== 'COMPLETED' && e.reason ? endings[e.reason]?.(e) ?? outcome(e) : '');

const jobReasons = {
  CONDITION: 'its condition does not hold', NEEDS: 'a need did not succeed', NO_COMMAND: 'it has no command', REJECTED: 'rejected',
  START_FAILED: 'could not start', DEFINITION: 'no valid definition in the commit', PIPELINE_DEPTH: 'pipelines nested too deep', JOB_FAILED: 'a job failed', RUN_TIMEOUT: 'took too long',
  APPROVAL_TIMEOUT: 'approval expired', ARTIFACT_CONFLICT: 'two artifacts in one place',
};

const runReasons = { RUN_TIMEOUT: 'It took longer than its timeout.', SUPERSEDED: 'A later run with its concurrency key took its place.' };

/** Why a run ended as it did, as a sentence; '' if the state alone explains it. */
export function runEnding(run) {
  if (run.reason !== 'JOB_FAILED') return runReasons[run.reason] ?? '';
  const failed = run.jobs.filter((job) => ['FAILED', 'TIMED_OUT', 'CANCELLED'].includes(job.status) && !job.warning).map((job) => job.key);
  return failed.length > 3 ? `${failed.slice(0, 3).join(', ')} and ${failed.length - 3} more failed.` : `${failed.join(', ') || 'A job'} failed.`;
}

/** The run that a job has started: "smoke-tests#7". */
export const childName = (child) => `${child.pipeline ?? child.run_id}#${child.number}`;

/** A few words beside the state of a job of a run. */
export function jobOutcome(job) {
  if (job.status === 'SKIPPED') return jobReasons[job.reason] ?? '';
  if (job.status === 'BLOCKED') return 'waits for approval';
  if (job.reused_execution_id) return 'taken from an earlier run';
  if (job.warning && job.status === 'COMPLETED' && job.child) return `${childName(job.child)}, ${plural(job.child.warnings, 'warning')}`;
  if (job.warning) return 'allowed to fail';
  if (job.child && job.status !== 'FAILED') return childName(job.child);
  if (job.attempt > 1) return `attempt ${job.attempt}`;
  if (job.status === 'FAILED' && job.reason) return jobReasons[job.reason] ?? job.reason.toLowerCase().replaceAll('_', ' ');
  return '';
}
