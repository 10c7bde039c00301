// @ts-check
// A job of a run that waits for consent.
import { html } from 'htm/preact';
import { useState } from 'preact/hooks';
import { post } from '../lib/api.js';
import { may } from '../lib/me.js';
import { dateTime } from '../lib/format.js';
import { Age, Button } from './basics.js';
import { attempt } from './dialog.js';

export function Approval({ run, job, reload }) {
  const [comment, setComment] = useState('');
  const answer = (verb) => async () => {
    const path = `/runs/${run.id}/jobs/${encodeURIComponent(job.key)}/${verb}`;
    if (await attempt(() => post(path, comment.trim() ? { comment: comment.trim() } : {}), verb === 'approve' ? 'Approved' : 'Rejected') !== undefined) reload();
  };
  const { approval } = job;
  return html`<div class="waiting approval" role="group" aria-label=${`Approval of ${job.key}`}>
    <p><b>${job.name ?? job.key}</b> waits for approval: ${approval.message}${approval.expires_at && html` <span class="faint" title=${dateTime(approval.expires_at)}>Expires ${dateTime(approval.expires_at)}.</span>`}</p>
    ${may('operator') && html`<label class="visually-hidden" for=${`comment-${job.key}`}>Comment</label><input id=${`comment-${job.key}`} placeholder="Comment, if you like" maxlength="2000" value=${comment} onInput=${(e) => setComment(e.currentTarget.value)} />
    <${Button} cls="primary" icon="check" onClick=${answer('approve')}>Approve</${Button}>
    <${Button} cls="danger" onClick=${answer('reject')}>Reject</${Button}>`}</div>`;
}

/** Who approved or rejected a job, and when. */
export const Decision = ({ approval }) => html`${approval.approved ? 'Approved' : 'Rejected'}${approval.by && ` by ${approval.by}`} <${Age} time=${approval.decided_at} />${approval.comment && html`: ${approval.comment}`}`;
