"""Protocols: data that says how a dataset is evaluated, and the questions made from it."""

from instructify.protocols.candidates import CandidateSet, prediction_of, value_scores
from instructify.protocols.defaults import evaluated_form, metric_for
from instructify.protocols.folders import ProtocolFolders, protocol_folders
from instructify.protocols.model import PUBLISHED, USUAL, Protocol, Source, prompt_text
from instructify.protocols.published import Departure, departures, is_published_prompt
from instructify.protocols.questions import Question, Questions, read_questions
from instructify.protocols.read import (
    OF_METHOD,
    check_folder,
    has_protocols,
    load_protocols,
    named_protocol,
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
    "ProtocolFolders",
    "Question",
    "Questions",
    "Source",
    "Suite",
    "USUAL",
    "check_folder",
    "departures",
    "evaluated_form",
    "has_protocols",
    "is_published_prompt",
    "load_protocols",
    "load_suites",
    "metric_for",
    "named_protocol",
    "named_suite",
    "prediction_of",
    "prompt_text",
    "protocol_folders",
    "read_questions",
    "settings_of",
    "suite_means",
    "value_scores",
]
