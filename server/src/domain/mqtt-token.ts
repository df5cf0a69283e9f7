import { RegistryError, type MqttToken } from '@rollcall/client/contract';
import { looksLikeUuid } from './user.ts';
import type { PrincipalDocument } from './documents/principal.ts';

/** A token as it was asked for, after all checks that need no look at the store (MT-2, MT-3). */
export interface WantedToken {
  readonly authType: 'U' | 'S' | 'SN';
  readonly groupName: string;
  /** In capitals; missing if it is to be made. */
  readonly username?: string;
  /** Missing if it is to be made. */
  readonly secret?: string;
  readonly serialNumber?: string;
  readonly description?: string;
}

type Text = string | null | undefined;

const marker = '#SN#';
const maxOfName = 50;
const leastOfSecret = 5;
const maxOfSecret = 50;
const maxOfDescription = 4096;

/** Plain names: nothing that means something in a topic. */
const nameForm = /^[A-Za-z0-9._:@-]+$/;
/** A serial number is one level of a topic. */
const serialForm = /^[^\s/+#\p{C}]+$/u;
/** What a device could not be given to type. */
const unprintable = /\p{Cc}|\p{Cs}/u;

const refuse = (field: string, rule: string, message: string): never => {
  throw new RegistryError('invalid-input', message, { details: [{ path: `/${field}`, rule, message }] });
};

const lengthOf = (text: string): number => Array.from(text).length;

/** A text that has to be there and says something. */
export const needed = (field: string, text: Text): string =>
  text === undefined || text === null || text.trim() === '' ? refuse(field, 'required', `'${field}' is required`) : text;

const checkLength = (field: string, text: string, most: number): void => {
  if (lengthOf(text) > most) refuse(field, 'maxLength', `'${field}' can not be more than ${most} chars`);
};

const checkForm = (isGood: boolean): void => {
  if (!isGood) refuse('username', 'pattern', `'username' contains characters that are not allowed`);
};

const checkSecret = (secret: string): void => {
  if (lengthOf(secret) < leastOfSecret) refuse('secret', 'minLength', `'password' can not be less than ${leastOfSecret} chars`);
  if (lengthOf(secret) > maxOfSecret) refuse('secret', 'maxLength', `'password' can not be more than ${maxOfSecret} chars`);
  if (unprintable.test(secret)) refuse('secret', 'pattern', `'password' contains characters that are not allowed`);
};

/** Only ASCII letters: others may change their length, or meet another name. */
const capitals = (name: string): string => name.replace(/[a-z]/g, (letter) => letter.toUpperCase());

/** Reads what was asked for, and names the first mistake in the reference's order. */
export const readWantedToken = (input: {
  readonly groupName?: Text;
  readonly username?: Text;
  readonly secret?: Text;
  readonly password?: Text;
  readonly description?: Text;
}): WantedToken => {
  const username = needed('username', input.username);
  checkLength('username', username, maxOfName);
  const secret = input.secret ?? input.password ?? undefined;
  const serial = username.startsWith(marker) ? username.slice(marker.length) : undefined;
  if (serial === undefined) {
    checkForm(nameForm.test(username));
    if (looksLikeUuid(username)) refuse('username', 'pattern', `'username' can not be a uuid`);
    if (secret !== undefined) checkSecret(secret);
  } else if (serial !== '') checkForm(serialForm.test(serial));
  const groupName = needed('groupName', input.groupName);
  const description = input.description ?? undefined;
  if (description !== undefined) checkLength('description', description, maxOfDescription);
  const described = description === undefined ? {} : { description };
  if (serial !== undefined) return { authType: 'SN', groupName, ...(serial !== '' && { serialNumber: serial }), ...described };
  const named = { groupName, username: capitals(username), ...described };
  return secret === undefined ? { authType: 'S', ...named } : { authType: 'U', ...named, secret };
};

/** A token as those see it who may. */
export const tokenView = ({ _id: uuid, username = '', mqtt = {}, createdAt }: PrincipalDocument): MqttToken => {
  const { authType = 'S', topicToken = '', description, serialNumber } = mqtt;
  return {
    uuid,
    authType,
    token: topicToken,
    username,
    ...(description !== undefined && { description }),
    ...(serialNumber !== undefined && { serialNumber }),
    createdAt: createdAt.toISOString(),
  };
};
