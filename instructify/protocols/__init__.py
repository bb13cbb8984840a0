"""Protocols: how a dataset is evaluated, as data; prompts, candidates and golds made by them."""

from instructify.protocols.candidates import CandidateSet, prediction_of, value_scores
from instructify.protocols.model import PUBLISHED, USUAL, Protocol, Source, prompt_text
from instructify.protocols.published import Departure, departures, is_published_prompt
from instructify.protocols.questions import Question, Questions, read_questions
from instructify.protocols.read import (
    OF_METHOD,
    check_folder,
    load_protocols,
    named_protocol,
    protocol_file,
    protocol_folder,
    settings_of,
)
from instructify.protocols.suites import Mean, Suite, load_suites, named_suite, suite_means

__all__ = [
    "CandidateSet",
    "Departure",
    "Mean",
    "OF_METHOD",
    "PUBLISHED",
    "Protocol",
    "Question",
    "Questions",
    "Source",
    "Suite",
    "USUAL",
    "check_folder",
    "departures",
    "is_published_prompt",
    "load_protocols",
    "load_suites",
    "named_protocol",
    "named_suite",
    "prediction_of",
    "prompt_text",
    "protocol_file",
    "protocol_folder",
    "read_questions",
    "settings_of",
    "suite_means",
    "value_scores",
]
