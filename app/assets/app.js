// Wires the page: forms to endpoints, the connection to what is drawn.

import { Realtime } from '/realtime.js';
import * as api from './api.js';
import { Channels, isGoodName } from './channels.js';
import {
  announce, byId, ChannelView, clearProblem, closeReason, forgetNotices, LogView, notify, PeopleView, showProblem,
  StateView,
} from './view.js';

const STORED_CHANNELS = 'realtime-demo-channels';
const PERMISSION_DENIED = 103;

const me = { id: document.body.dataset.user, token: document.body.dataset.token };
const tabs = new BroadcastChannel('realtime-demo-login');
const channelView = new ChannelView((channel) => channels.leave(channel));
const peopleView = new PeopleView();
const stateView = new StateView();
const log = new LogView();
/** The connection of whoever is logged in, and its channels. */
let realtime = null;
let channels = null;

// --- who -----------------------------------------------------------------------------------------------

/** Whether the server still knows this browser by the name it is shown under; null if it does not answer. */
async function isStillMe() {
  try {
    const answer = await api.whoAmI();
    me.token = answer.csrf_token ?? '';
    return answer.id === me.id;
  } catch {
    return null;
  }
}

function showWho() {
  const isKnown = me.id !== '';
  byId('welcome').hidden = isKnown;
  byId('desk').hidden = !isKnown;
  byId('logout').hidden = !isKnown;
  byId('state').hidden = !isKnown;
  byId('who').textContent = me.id;
  byId('own-channel').textContent = `user.${me.id}`;
  byId('who').title = isKnown ? `Logged in as ${me.id}` : '';
}

function enter(id, token) {
  Object.assign(me, { id, token });
  forgetNotices();
  showWho();
  realtime = new Realtime('/ws');
  realtime.on('state', showState);
  channels = new Channels(realtime, {
    changed: showChannels,
    denied: (channel, text) => announce(`${channel}: ${text}`),
    message: showMessage,
    interrupted: (channel, text) => log.note(channel, text),
  });
  draw(new Map());
  restoreChannels();
}

function leave(reason = '') {
  Object.assign(me, { id: '', token: '' });
  realtime?.close();
  stateView.show({ state: 'closed' });
  log.clear();
  showWho();
  if (reason) notify(reason);
  byId('user-id').focus();
}

async function login(event) {
  event.preventDefault();
  const field = byId('user-id');
  const problem = byId('user-error');
  clearProblem(problem, field);
  const name = field.value.trim();
  if (!name) return showProblem(problem, 'Type a name first; any name will do.', field);
  try {
    const answer = await busy(event.target, () => api.login(name));
    enter(answer.id, answer.csrf_token);
    tabs.postMessage('changed');
    byId('subscribe-channel').focus();
  } catch (error) {
    showProblem(problem, error.message, field);
  }
}

async function logout(event) {
  event.preventDefault();
  try {
    await busy(event.target, api.logout);
    sessionStorage.removeItem(STORED_CHANNELS);
    leave();
    tabs.postMessage('changed');
  } catch (error) {
    notify(error.message);
  }
}

/** Another window of this browser logged in or out: the cookie is shared, so this one must follow. */
async function followOtherTab() {
  if (me.id && (await isStillMe()) === false) leave('You logged out, or in under another name, in another window.');
}

// --- channels --------------------------------------------------------------------------------------------

function restoreChannels() {
  for (const channel of JSON.parse(sessionStorage.getItem(STORED_CHANNELS) ?? '[]')) channels.listen(channel);
}

function draw(entries) {
  channelView.show(entries);
  peopleView.show(entries, me.id);
}

function showChannels(entries) {
  draw(entries);
  if (me.id) sessionStorage.setItem(STORED_CHANNELS, JSON.stringify(channels.names));
}

function subscribe(event) {
  event.preventDefault();
  const field = byId('subscribe-channel');
  const problem = byId('subscribe-error');
  clearProblem(problem, field);
  const channel = field.value.trim();
  if (!channel) return showProblem(problem, 'Which channel? Type a name, for example news.', field);
  if (channels.isHeard(channel)) return showProblem(problem, `You already listen to ${channel}.`, field);
  if (!isGoodName(channel)) return showProblem(problem, 'That name is too long for the server.', field);
  channels.listen(channel);
  field.value = '';
  suggestForSending(channel);
}

function suggestForSending(channel) {
  if (!byId('send-channel').value) byId('send-channel').value = channel;
}

function tryChannel(event) {
  const { channel, own } = event.target.dataset;
  if (channel) listenTo(own === undefined ? channel : channel + me.id);
}

function listenTo(channel) {
  channels.listen(channel);
  suggestForSending(channel);
  byId('send-message').focus();
}

// --- sending ---------------------------------------------------------------------------------------------

async function send(event) {
  event.preventDefault();
  const channel = byId('send-channel').value.trim();
  const message = byId('send-message').value;
  const problem = byId('send-error');
  for (const field of [byId('send-channel'), byId('send-message')]) clearProblem(problem, field);
  byId('sent').textContent = '';
  if (!channel) return showProblem(problem, 'Which channel shall it go to?', byId('send-channel'));
  if (!message.trim()) return showProblem(problem, 'There is no message yet.', byId('send-message'));
  try {
    await busy(event.target, () => sendAsMe(channel, message));
    // What was typed while the answer was on its way stays.
    if (byId('send-message').value === message) byId('send-message').value = '';
    byId('send-message').focus();
    showSent(channel);
  } catch (error) {
    if (error.status === 401) leave('Your login has ended. Log in again to send.');
    else showProblem(problem, error.message);
  }
}

/** By the connection, where the channel's rule lets pages publish; else the application does it for us. */
async function sendAsMe(channel, message) {
  if (realtime.state !== 'ready') byId('sent').textContent = 'Sent as soon as the server is there again…';
  try {
    return await realtime.publish(channel, asPayload(message));
  } catch (error) {
    if (error.code !== PERMISSION_DENIED) throw error;
    return sendByForm(channel, message);
  }
}

/** JSON as it is, any other text as text. */
function asPayload(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A refused form token (403) is asked for anew, once: it may only have been out of date. */
async function sendByForm(channel, message) {
  try {
    return await api.send(channel, message, me.token);
  } catch (error) {
    if (error.status !== 403 || !(await isStillMe())) throw error;
    return api.send(channel, message, me.token);
  }
}

function showSent(channel) {
  const isHeard = channels.isHeard(channel);
  byId('sent').textContent = isHeard ? `Sent to ${channel}.` : `Sent to ${channel}, which you do not listen to.`;
}

function sendByKeyboard(event) {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) byId('send').requestSubmit();
}

/** Keep a form from being sent twice while the first answer is on its way. */
async function busy(form, work) {
  const button = form.querySelector('[type=submit]');
  const hadFocus = button === document.activeElement;
  button.disabled = true;
  try {
    return await work();
  } finally {
    button.disabled = false;
    if (hadFocus) button.focus();
  }
}

// --- connection --------------------------------------------------------------------------------------------

function showState({ state, code, delay }) {
  stateView.show({ state, code, delay });
  if (state === 'ready') forgetNotices();
  if (state === 'waiting' && code) notify(`${closeReason(code)} Trying again…`, 'info');
  if (state === 'failed' && code === 401) leave('You are not logged in any more. Log in to connect again.');
  else if (state === 'failed') giveUp(code);
}

function giveUp(code) {
  forgetNotices();
  const advice = `The server takes no connection from this page. See whether ALLOWED_ORIGINS names ${location.origin}.`;
  notify(code === 403 ? advice : closeReason(code));
}

function showMessage(message) {
  if (log.add(message)) channelView.count(message.channel);
}

byId('login').addEventListener('submit', login);
byId('logout').addEventListener('submit', logout);
byId('subscribe').addEventListener('submit', subscribe);
byId('no-channels').addEventListener('click', tryChannel);
byId('send').addEventListener('submit', send);
byId('send').addEventListener('input', () => { byId('sent').textContent = ''; });
byId('send-message').addEventListener('keydown', sendByKeyboard);
byId('clear').addEventListener('click', () => log.clear());
byId('retry').addEventListener('click', () => realtime.connect());
tabs.addEventListener('message', followOtherTab);

log.clear();
showWho();
if (me.id) enter(me.id, me.token);
