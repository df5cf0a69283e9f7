import { applyUpdate } from '../../mql/index.ts';
import { changeDevice } from '../../domain/device.ts';
import { evaluate } from '../../domain/evaluate.ts';
import { outgoing } from '../../domain/device-view.ts';
import { applyOperators } from '../../domain/device-update.ts';
import type { Implementation } from '../handler.ts';

export const documents: Implementation['documents'] = {
  async update({ update }, { update: revise, subject, now }) {
    const operators = applyOperators(update);
    const at = new Date(now());
    const { document } = await revise((before) =>
      changeDevice(before, (given) => evaluate(() => applyUpdate(given, operators, { now: at, exact: true })), subject, at),
    );
    return { output: { document: outgoing(document) } };
  },
};
