import { applyUpdate } from '../../mql/index.ts';
import { change } from '../../domain/device.ts';
import { evaluate } from '../../domain/evaluate.ts';
import { outgoing } from '../../domain/device-view.ts';
import { operating } from '../../domain/device-update.ts';
import type { Implementation } from '../handler.ts';

export const documents: Implementation['documents'] = {
  async update({ update }, { revise, subject, now }) {
    const operators = operating(update);
    const at = new Date(now());
    const { document } = await revise((before) =>
      change(before, (given) => evaluate(() => applyUpdate(given, operators, { now: at, exact: true })), subject, at),
    );
    return { output: { document: outgoing(document) } };
  },
};
