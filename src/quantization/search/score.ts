import { keepsAccuracy } from '../accuracy/keeps-accuracy.js'
import type { Evaluation } from '../evaluate.js'
import type { Judgement } from '../report/report.js'

/** Signal at which trying on is not worth its time: noise of 3 % of the amplitude. */
export const nearlyLosslessDb = 30

/** What a candidate must gain over an earlier, simpler one: decibels, or characters in a thousand. */
const leastGain = 0.2

/** The same of readers of text, whose answers are read the same at a far lower signal: one character in a thousand is read in another way. */
const nearlyLosslessText = 0.999

export function isNearlyLossless(evaluation: Evaluation): boolean {
  const { snr_db, textCloseness } = evaluation
  const isKept = textCloseness === undefined ? (snr_db ?? 0) >= nearlyLosslessDb : textCloseness >= nearlyLosslessText
  return isKept && holds(evaluation)
}

/** Decibels that other ranges have been seen to gain, at most. */
const estimatorGain = 8

/** True where another estimator may still make int8 nearly lossless; of readers of text always, whose signal says little. */
export const isWithinReach = ({ snr_db, textCloseness }: Evaluation): boolean =>
  textCloseness !== undefined || (snr_db ?? 0) >= nearlyLosslessDb - estimatorGain

export const decibels = ({ snr_db }: Pick<Judgement, 'snr_db'>): string => `${snr_db?.toFixed(1) ?? '-'} dB`

/** True when the allowed drops hold on what was evaluated, or the signal is kept. */
export const holds = (judgement: Judgement): boolean => keepsAccuracy(judgement)

/** Share of the allowed drop that may be used up on the samples that a candidate is chosen on. */
const usableShare = 0.7

/** `holds`, with a part of the allowed drop to spare. */
export const holdsWithRoom = (evaluation: Evaluation): boolean =>
  holds(evaluation) && (evaluation.drop === null || evaluation.drop <= usableShare * evaluation.max_drop)

export const isBetter = (a: Evaluation, b: Evaluation): boolean => scoreOf(a) > scoreOf(b) + leastGain

/** Readers of text are compared by the characters that they read alike, in a thousand, all others by their signal in dB. */
export function scoreOf({ snr_db, textCloseness }: Evaluation): number {
  return textCloseness === undefined ? (snr_db ?? Number.NEGATIVE_INFINITY) : textCloseness * 1000 + (snr_db ?? 0) / 1000
}
