// @ts-check
// How an execution ended, in words: a few beside its state, and a sentence
// where there is room for one.
import { duration } from '../lib/format.js';

/** What may be told beside the state: the exit code, the signal, or the reason. */
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
  EXIT_CODE: (e) => `The command exited with ${e.exit_code}.`,
  SIGNAL: (e) => `The command was killed by ${e.signal}, which Hodei did not send.`,
  COMMAND_NOT_FOUND: () => 'The program could not be started: it is not there, or may not be executed.',
  START_FAILED: () => 'The worker could not prepare the run.',
  TIMEOUT: (e) => (e.timeout_seconds ? `It ran longer than its ${duration(e.timeout_seconds)}, and was stopped.` : 'It ran for too long, and was stopped.'),
  CANCELLED: (e) => (e.started_at ? 'Somebody cancelled it while it ran.' : 'Somebody cancelled it before it began.'),
  REJECTED: () => 'No worker could take it at once, and it was not to wait.',
  WORKER_LOST: () => 'Its worker was lost while it ran.',
  WORKER_TERMINATED: () => 'Its worker was told to stop at once.',
  OUT_OF_MEMORY: () => 'The system killed it for want of memory.',
};

/** Why it ended as it did, as a sentence; '' where there is nothing to explain. */
export const ending = (e) => (e.completed_at && e.status !== 'COMPLETED' && e.reason ? endings[e.reason]?.(e) ?? outcome(e) : '');
