"""Cron expressions in words, as far as they are simple: "every day at 02:00". The others speak for themselves."""

from __future__ import annotations

import re

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
SHORT = {day[:3].upper(): number for number, day in enumerate(DAYS)}
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
EVERY = re.compile(r"\*/([1-9][0-9]?)")
ONE = re.compile(r"[0-9]{1,2}")


def in_words(cron: str) -> str:
    """What an expression of five or six fields says, "" when it is not simple."""
    fields = cron.split()
    if len(fields) == 6:
        second, fields = fields[0], fields[1:]
    else:
        second = "0"
    if len(fields) != 5:
        return ""
    minute, hour, day, month, weekday = fields
    often = _often(second, minute, hour)
    days = _days(day, month, weekday)
    if often and days is not None:
        return f"{often}{days}"
    clock = _clock(second, minute, hour)
    if clock and days is not None:
        return f"{days.lstrip(', ') or 'every day'} at {clock}"
    return ""


def _often(second: str, minute: str, hour: str) -> str:
    """What comes more than once a day."""
    if second == "*" and (minute, hour) == ("*", "*"):
        return "every second"
    if (found := EVERY.fullmatch(second)) and (minute, hour) == ("*", "*") and 60 % int(found[1]) == 0:
        return f"every {found[1]} seconds"
    if second != "0" or not (hour == "*" or EVERY.fullmatch(hour)):
        return ""
    if minute == "*" and hour == "*":
        return "every minute"
    if (found := EVERY.fullmatch(minute)) and hour == "*" and 60 % int(found[1]) == 0:
        return f"every {found[1]} minutes" if found[1] != "1" else "every minute"
    if not ONE.fullmatch(minute):
        return ""
    past = "" if int(minute) == 0 else f", {int(minute)} minutes past"
    if hour == "*":
        return f"every hour{past}"
    step = int(hour[2:])
    return f"every {step} hours{past}" if 24 % step == 0 and step > 1 else ""


def _clock(second: str, minute: str, hour: str) -> str:
    """The times of a day: "02:00", "08:30 and 17:30"."""
    hours = hour.split(",")
    if not ONE.fullmatch(second) or not ONE.fullmatch(minute) or not all(map(ONE.fullmatch, hours)) or len(hours) > 4:
        return ""
    exact = f":{int(second):02}" if int(second) else ""
    return _listed([f"{int(each):02}:{int(minute):02}{exact}" for each in hours])


def _days(day: str, month: str, weekday: str) -> str | None:
    """On which days, "" for all of them, None when it is not simple."""
    if (day, month, weekday) == ("*", "*", "*"):
        return ""
    if (day, month) == ("*", "*"):
        names = _weekdays(weekday)
        return f", {names}" if names else None
    if weekday != "*" or not ONE.fullmatch(day):
        return None
    if month == "*":
        return f", on day {int(day)} of every month"
    if ONE.fullmatch(month) and 1 <= int(month) <= 12:
        return f", every {int(day)} {MONTHS[int(month) - 1]}"
    return None


def _weekdays(field: str) -> str:
    field = field.upper()
    if field in ("1-5", "MON-FRI"):
        return "on weekdays"
    numbers = [SHORT.get(each, int(each) if each in set("01234567") else None) for each in field.split(",")]
    if any(number is None for number in numbers):
        return ""
    return "every " + _listed([DAYS[(number or 0) % 7] for number in numbers])


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
