// Limits and pins of the dome shutter controller, Corrin Edge Observatory.
// Change a number here and nowhere else; write the reason and the date beside it.
#ifndef DOME_LIMITS_H
#define DOME_LIMITS_H

// Pins of the controller board in the grey box.
const int PIN_MOTOR_OPEN = 5;
const int PIN_MOTOR_CLOSE = 6;
const int PIN_LIMIT_UPPER = 8;   // normally closed, opens when the leaf is fully open
const int PIN_LIMIT_LOWER = 9;   // normally closed, opens when the leaf is fully shut
const int PIN_BUTTON_OPEN = 10;
const int PIN_BUTTON_CLOSE = 11;
const int PIN_WEATHER_CLOSE = 12; // pulled low by the weather station
const int PIN_AMBER_LAMP = 13;
const int PIN_CURRENT = A0;

// The motor stalls at 18 A; half of that for two seconds is a blocked leaf.
const float TRIP_AMPERES = 9.0;
const unsigned long TRIP_MILLISECONDS = 2000;

// A full travel takes 48 s; a leaf that has not arrived after 75 s has lost its cable.
const unsigned long TRAVEL_TIMEOUT_MILLISECONDS = 75000;

// The switches bounce in a gale. 30 ms was too short in the storm of December 2022.
const unsigned long DEBOUNCE_MILLISECONDS = 80;

// Blinks of the amber lamp, one number for each kind of fault.
const int BLINKS_OVERCURRENT = 2;
const int BLINKS_LIMIT = 3;
const int BLINKS_TIMEOUT = 4;

#endif
