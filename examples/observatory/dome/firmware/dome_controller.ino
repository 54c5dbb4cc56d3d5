// Shutter controller of the 4.6 m dome. Runs on the small board in the grey box.
//
// The shutter moves only while a button is held, or while the weather station
// asks for it to be closed. Nothing here ever opens the dome without a hand on the button.

#include "dome_limits.h"

enum Motion { STOPPED, OPENING, CLOSING };

Motion motion = STOPPED;
unsigned long startedAt = 0;
unsigned long overCurrentSince = 0;
int fault = 0;

// The current sensor gives 2.5 V at no current and 66 mV for each ampere.
float motorAmperes() {
  float volts = analogRead(PIN_CURRENT) * 5.0 / 1023.0;
  return fabs(volts - 2.5) / 0.066;
}

// A switch counts only when it has kept its state for the debounce time.
bool limitReached(int pin) {
  if (digitalRead(pin) == LOW) return false;
  delay(DEBOUNCE_MILLISECONDS);
  return digitalRead(pin) == HIGH;
}

void drive(Motion wanted) {
  digitalWrite(PIN_MOTOR_OPEN, wanted == OPENING ? HIGH : LOW);
  digitalWrite(PIN_MOTOR_CLOSE, wanted == CLOSING ? HIGH : LOW);
  if (wanted != motion) startedAt = millis();
  motion = wanted;
}

void stopWith(int blinks) {
  drive(STOPPED);
  fault = blinks;
}

void checkCurrent() {
  if (motorAmperes() < TRIP_AMPERES) {
    overCurrentSince = 0;
    return;
  }
  if (overCurrentSince == 0) overCurrentSince = millis();
  if (millis() - overCurrentSince > TRIP_MILLISECONDS) stopWith(BLINKS_OVERCURRENT);
}

void blinkFault() {
  for (int i = 0; i < fault; i++) {
    digitalWrite(PIN_AMBER_LAMP, HIGH);
    delay(200);
    digitalWrite(PIN_AMBER_LAMP, LOW);
    delay(200);
  }
  delay(800);
}

Motion wantedMotion() {
  if (digitalRead(PIN_WEATHER_CLOSE) == LOW) return CLOSING;
  if (digitalRead(PIN_BUTTON_CLOSE) == LOW) return CLOSING;
  if (digitalRead(PIN_BUTTON_OPEN) == LOW) return OPENING;
  return STOPPED;
}

void setup() {
  pinMode(PIN_MOTOR_OPEN, OUTPUT);
  pinMode(PIN_MOTOR_CLOSE, OUTPUT);
  pinMode(PIN_AMBER_LAMP, OUTPUT);
  pinMode(PIN_LIMIT_UPPER, INPUT_PULLUP);
  pinMode(PIN_LIMIT_LOWER, INPUT_PULLUP);
  pinMode(PIN_BUTTON_OPEN, INPUT_PULLUP);
  pinMode(PIN_BUTTON_CLOSE, INPUT_PULLUP);
  pinMode(PIN_WEATHER_CLOSE, INPUT_PULLUP);
}

void loop() {
  if (fault != 0) {  // only the mushroom button, which cuts the supply, clears a fault
    blinkFault();
    return;
  }
  Motion wanted = wantedMotion();
  if (wanted == OPENING && limitReached(PIN_LIMIT_UPPER)) wanted = STOPPED;
  if (wanted == CLOSING && limitReached(PIN_LIMIT_LOWER)) wanted = STOPPED;
  if (limitReached(PIN_LIMIT_UPPER) && limitReached(PIN_LIMIT_LOWER)) {  // both ends at once: a bad switch
    stopWith(BLINKS_LIMIT);
    return;
  }
  drive(wanted);
  if (motion == STOPPED) return;
  checkCurrent();
  if (millis() - startedAt > TRAVEL_TIMEOUT_MILLISECONDS) stopWith(BLINKS_TIMEOUT);
}
